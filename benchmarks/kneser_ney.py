"""An interpolated Kneser-Ney bigram model of token sequences, the baseline for couplet runs.

    p(w | v) = max(c(v w) - D2, 0) / c(v .) + D2 N(v .) / c(v .) * p(w)
    p(w)     = max(N(. w) - D1, 0) / N(. .) + D1 K / N(. .) / V

c is the count of a bigram, N the number of different bigrams of a form, K the number of tokens that follow another token, and
V the size of the vocabulary. After an unseen v the probability is p(w). The discounts are D = n1 / (n1 + 2 n2), where n1 and n2
are the numbers of counts that are 1 and 2; D1 uses the counts N(. w). Ney, Essen and Kneser 1994, Computer Speech and Language
8(1); Kneser and Ney 1995, ICASSP; interpolated form: Chen and Goodman 1999, Computer Speech and Language 13(4). A sequence
begins with a start symbol that is no token. There is no end symbol, because the length is known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

START = -1


class KneserNey:
    """A model that is estimated from `sequences` of token ids. `size` is V, the unknown token included."""

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
        """Return p(w)."""
        if not self.pairs:
            return 1 / self.size
        D, all_pairs = self.discounts[0], len(self.pairs)
        return max(self.before[w] - D, 0) / all_pairs + D * len(self.before) / all_pairs / self.size

    def probability(self, w: int, v: int) -> float:
        """Return p(w | v)."""
        if not self.after[v]:
            return self.alone(w)
        D, count = self.discounts[1], self.after[v]
        return max(self.pairs[v, w] - D, 0) / count + D * self.follows[v] / count * self.alone(w)

    def perplexity(self, sequences: Iterable[Sequence[int]]) -> float:
        """Return exp of the mean negative log-probability of a token."""
        nats = [
            -math.log(self.probability(w, v))
            for tokens in sequences
            for v, w in zip((START, *tokens), tokens, strict=False)
        ]
        return math.exp(math.fsum(nats) / len(nats))


def discount(counts: Iterable[int]) -> float:
    """Return n1 / (n1 + 2 n2), or 0.5 where no count is 1."""
    frequency = Counter(counts)
    return frequency[1] / (frequency[1] + 2 * frequency[2]) if frequency[1] else 0.5
