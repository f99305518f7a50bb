"""An interpolated Kneser-Ney bigram model of token sequences: what a couplet run is held against.

    p(w | v) = max(c(v w) - D2, 0) / c(v .) + D2 N(v .) / c(v .) * p(w)
    p(w)     = max(N(. w) - D1, 0) / N(. .) + D1 K / N(. .) / V

c counts bigrams, N the different bigrams of a form, K the tokens that follow something, V the tokens that there are.
After a v that was never seen, p(w). The discounts are D = n1 / (n1 + 2 n2), n1 and n2 the counts that are 1 and 2, the
N(. w) for D1: Ney, Essen and Kneser 1994, Computer Speech and Language 8(1); Kneser and Ney 1995, ICASSP; the
interpolated form: Chen and Goodman 1999, Computer Speech and Language 13(4). A sequence begins after a mark that no token
is; its end is not told, for where the length is known there is nothing to tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

START = -1


class KneserNey:
    """Learnt from `sequences` of token numbers. `size` is V: every token that may be asked for, the unknown one too."""

    def __init__(self, sequences: Iterable[Sequence[int]], size: int) -> None:
        self.size = size
        self.pairs = Counter(pair for tokens in sequences for pair in zip((START, *tokens), tokens, strict=False))
        self.after: Counter[int] = Counter()  # c(v .)
        self.follows: Counter[int] = Counter()  # N(v .)
        self.before: Counter[int] = Counter()  # N(. w)
        for (v, w), count in self.pairs.items():
            self.after[v] += count
            self.follows[v] += 1
            self.before[w] += 1
        self.discounts = discount(self.before.values()), discount(self.pairs.values())

    def alone(self, w: int) -> float:
        """p(w)"""
        if not self.pairs:
            return 1 / self.size
        D, all_pairs = self.discounts[0], len(self.pairs)
        return max(self.before[w] - D, 0) / all_pairs + D * len(self.before) / all_pairs / self.size

    def probability(self, w: int, v: int) -> float:
        """p(w | v)"""
        if not self.after[v]:
            return self.alone(w)
        D, count = self.discounts[1], self.after[v]
        return max(self.pairs[v, w] - D, 0) / count + D * self.follows[v] / count * self.alone(w)

    def perplexity(self, sequences: Iterable[Sequence[int]]) -> float:
        """exp of the mean negative log-probability of a token."""
        nats = [
            -math.log(self.probability(w, v))
            for tokens in sequences
            for v, w in zip((START, *tokens), tokens, strict=False)
        ]
        return math.exp(math.fsum(nats) / len(nats))


def discount(counts: Iterable[int]) -> float:
    """n1 / (n1 + 2 n2); where no count is 1, a half."""
    of = Counter(counts)
    return of[1] / (of[1] + 2 * of[2]) if of[1] else 0.5
