"""Free text as numbers: TF-IDF of the letters in it and its first singular vectors, as skrub's `StringEncoder`."""

import numpy as np

from ch5jax._extras import require

NUMBERS = 30  # of a column, and at most one for ten rows for training
WORDS = 3  # that a value has at least on average, where nobody says that it is text
_FITTED = 20_000  # texts at most
_AT_ONCE = 10_000  # texts


def is_free(words: np.ndarray) -> bool:
    """Whether different words are sentences rather than names or codes."""
    counts = [sum(any(map(str.isalpha, part)) for part in word.split()) for word in words[:1000]]
    return bool(np.mean(counts) >= WORDS)


class Letters:
    """What makes numbers of text, fitted to different words of the training rows."""

    def __init__(self, words: np.ndarray, rows: int):
        text = require("sklearn.feature_extraction.text", "sweep", "tasks.table")
        decomposition = require("sklearn.decomposition", "sweep", "tasks.table")
        some = words[:: 1 + len(words) // _FITTED]
        self._tfidf = text.TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), dtype=np.float32)
        found = self._tfidf.fit_transform(some)
        self.count = max(1, min(NUMBERS, rows // 10, min(found.shape) - 1))
        self._vectors = decomposition.TruncatedSVD(self.count, random_state=0).fit(found)

    def numbers(self, words: np.ndarray) -> np.ndarray:
        """Numbers of any words, float64, shape (words, count)."""
        numbers = np.empty((len(words), self.count))
        for i in range(0, len(words), _AT_ONCE):
            some = slice(i, i + _AT_ONCE)
            numbers[some] = self._vectors.transform(self._tfidf.transform(words[some]))
        return numbers
