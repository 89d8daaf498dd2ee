"""Prose as numbers: character n-grams, TF-IDF and truncated SVD, scikit-learn's own.

What was learned is plain (terms, weights, components), and encoding reads it without scikit-learn:
its vectorizer takes longer for one row than the network does.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from scipy import sparse
from threadpoolctl import ThreadpoolController

from skjoint._data.distinct import said

# Prose, by means over a sample of the distinct texts:
LOOKED_AT = 1000  # texts of the sample
LEAST = 20  # distinct texts
DISTINCT = 0.5  # of the rows that have one
WORDS = 5.0  # a name has up to four
CHARACTERS = 30.0
RECURS = 5  # entries of a sample that hold a word which tells some from others
WORD = re.compile(r"(?<!\S)[^\W\d_]{2,}(?![^\s.,;:!?])")  # letters between blanks
CHINESE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # no blanks, two to a word

NGRAMS = (3, 4)  # characters
N_TERMS = 10_000
N_COMPONENTS = 100
TEXTS_EACH = 4  # texts that a component needs
VARIANCE = 3.0  # of all coordinates together: a text weighs as much as three numbers
LEARNED_FROM = 10_000  # texts
LEARNED_CHARACTERS = 5_000_000  # in all of them
SMALLEST = 1e-6  # spread of coordinates that is more than rounding
ENCODED_AT_ONCE = 4096  # texts
REMEMBERED = 20_000  # words whose n-grams are looked up once


def is_prose(values, counts):
    """Whether entries are long, mostly distinct text of several words.

    >>> notes = [f"the printer in room {i} is out of paper again" for i in range(50)]
    >>> is_prose(notes, [1] * 50), is_prose(notes, [9] * 50)
    (True, False)
    >>> is_prose([f"Smith, Mr. John the {i}th" for i in range(50)], [1] * 50)
    False
    """
    if len(values) < LEAST or len(values) < DISTINCT * np.sum(counts):
        return False
    sample = _looked_at(values)
    if not all(isinstance(value, str) for value in sample):
        return False
    is_long = sum(map(len, sample)) >= CHARACTERS * len(sample)
    return is_long and mean_words(sample) >= WORDS


def words_tell(values):
    """Whether most entries hold a word that some others share: names and titles, but no keys.

    A word tells if at least RECURS and at most half of the entries hold it.

    >>> names = ["Mr", "Mrs", "Miss"]
    >>> words_tell([f"Smith{i}, {names[i % 3]} Kim" for i in range(50)])
    True
    >>> words_tell([f"order {i}" for i in range(50)])
    False
    """
    sample = _looked_at(values)
    if not all(isinstance(value, str) for value in sample):
        return False
    words = [set(WORD.findall(text.lower())) for text in sample]
    often = Counter(word for found in words for word in found)
    telling = {word for word, n in often.items() if RECURS <= n <= len(sample) / 2}
    return sum(not telling.isdisjoint(found) for found in words) >= len(sample) / 2


def _looked_at(values):
    return values[:: -(-len(values) // LOOKED_AT)]


def mean_words(texts):
    """Mean number of words; two characters of Chinese, Japanese or Korean count as one."""
    return float(np.mean([len(text.split()) + len(CHINESE.findall(text)) // 2 for text in texts]))


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Prose as coordinates of few dimensions: latent semantic analysis.

    Attributes
    ----------
    vocabulary : tuple of str
        Character n-grams within words.
    idf : ndarray of shape (n_terms,)
    components : ndarray of shape (n_terms, width)
        What a weighted term adds to each coordinate; float32.
    center : ndarray of shape (width,)
        The mean text, which stands for a missing one, too.
    """

    vocabulary: tuple[str, ...]
    idf: np.ndarray
    components: np.ndarray
    center: np.ndarray

    @classmethod
    def learn(cls, values, seed):
        """Learn from distinct texts, or from a sample of them if they are many."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = _sample([said(value) for value in values], seed)
        if not any(any(map(str.isalnum, text)) for text in texts):
            raise ValueError(
                "must hold text with letters or digits to be of the kind 'text'. Got "
                f"{texts[0] if texts else ''!r} and the like instead: make it a 'category', or "
                "'drop' it."
            )
        vectorizer = TfidfVectorizer(
            analyzer="char_wb", ngram_range=NGRAMS, max_features=N_TERMS, dtype=np.float64
        )
        weights = vectorizer.fit_transform(texts)
        n_components = min(
            N_COMPONENTS, -(-len(texts) // TEXTS_EACH), weights.shape[1] - 1, len(texts) - 1
        )
        if n_components > 0:
            svd = TruncatedSVD(n_components, random_state=seed)
            # Threads add in any order. Equal texts have no variance to explain.
            with ThreadpoolController().limit(limits=1), np.errstate(invalid="ignore"):
                components = svd.fit(weights).components_.T
        else:  # one text or one term
            components = np.ones((weights.shape[1], 1))
        coordinates = weights @ components
        variance = min(VARIANCE, components.shape[1])
        scale = np.sqrt(coordinates.var(axis=0).sum() / variance)
        components = components / (scale if scale > SMALLEST else 1.0)
        return cls(
            vocabulary=tuple(map(str, vectorizer.get_feature_names_out())),
            idf=vectorizer.idf_,
            components=np.ascontiguousarray(components, dtype=np.float32),
            center=(weights @ components).mean(axis=0).astype(np.float32),
        )

    @property
    def width(self):
        """Columns that come of a text."""
        return self.components.shape[1]

    def encode(self, values):
        """float32 array of shape (n_values, width); 0 where a value is None.

        A text's coordinates are sums over its own terms in their order, whatever stands beside it.
        """
        encoded = np.empty((len(values), self.width), dtype=np.float32)
        for start in range(0, len(values), ENCODED_AT_ONCE):
            rows = slice(start, start + ENCODED_AT_ONCE)
            weights = self.weights(values[rows]).astype(np.float32)
            encoded[rows] = weights @ self.components
        encoded -= self.center
        encoded[[value is None for value in values]] = 0
        return encoded

    def encode_into(self, encoded, column):
        """Fill columns of float32 from a column of distinct texts; 0 where one is missing."""
        of_values = np.vstack([self.encode(column.values), np.zeros((1, self.width), np.float32)])
        encoded[:] = of_values[column.codes]

    def weights(self, values):
        """Sparse TF-IDF of texts, as scikit-learn's TfidfVectorizer has it."""
        terms, numbers, ends = [], [], [0]
        for value in values:
            found, counts = self._terms("" if value is None else said(value))
            found_weights = counts * self.idf[found]
            if len(found):
                # one after another, as scikit-learn adds: np.sum adds pairs
                found_weights /= np.sqrt(np.add.accumulate(np.square(found_weights))[-1])
            terms.append(found)
            numbers.append(found_weights)
            ends.append(ends[-1] + len(found))
        shape = (len(values), len(self.idf))
        if not terms:
            return sparse.csr_array(shape)
        return sparse.csr_array((np.concatenate(numbers), np.concatenate(terms), ends), shape=shape)

    def _terms(self, text):
        """Which terms a text has, in ascending order, and how often each."""
        index, terms_of = self._index, self._terms_of
        found = []
        for word in text.lower().split():
            terms = terms_of.get(word)
            if terms is None:
                terms = [index[gram] for gram in _ngrams(word) if gram in index]
                if len(terms_of) < REMEMBERED:
                    terms_of[word] = terms
            found += terms
        return np.unique(np.array(found, dtype=np.int32), return_counts=True)

    def __getstate__(self):  # without what is remembered
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _index(self):
        return {term: i for i, term in enumerate(self.vocabulary)}

    @cached_property
    def _terms_of(self):
        return {}


def _sample(texts, seed):
    """At most LEARNED_FROM texts, and of so many characters."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    if len(texts) <= LEARNED_FROM and lengths.sum() <= LEARNED_CHARACTERS:
        return texts
    order = np.random.default_rng(seed).permutation(len(texts))[:LEARNED_FROM]
    n_kept = max(1, np.searchsorted(np.cumsum(lengths[order]), LEARNED_CHARACTERS, side="right"))
    return [texts[i][:LEARNED_CHARACTERS] for i in sorted(order[:n_kept])]


def _ngrams(word):
    """Character n-grams of a word between blanks, as scikit-learn's "char_wb" cuts them."""
    word = f" {word} "
    shortest, longest = NGRAMS
    grams = []
    for n in range(shortest, longest + 1):
        if len(word) <= n:  # a short word counts once
            return [*grams, word]
        grams += [word[i : i + n] for i in range(len(word) - n + 1)]
    return grams
