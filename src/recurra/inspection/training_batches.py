"""stub"""
from typing import Any
def gradients_of_loss(*a: Any) -> Any: raise NotImplementedError
