"""Prose becomes what scikit-learn makes of it, each text by itself."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from skjoint._data import texts
from skjoint._data.texts import TextEncoder, is_prose, mean_words

WORDS = [
    "printer",
    "paper",
    "jam",
    "login",
    "password",
    "reset",
    "network",
    "slow",
    "screen",
    "help",
]
RNG = np.random.default_rng(0)
NOTES = np.array(
    [f"{' '.join(RNG.choice(WORDS, 9))} in room {i}, Straße {i % 7}" for i in range(300)],
    dtype=object,
)
OTHERS = [
    "",
    "   ",
    "x",
    "İi\tnew\n\nwords  and blanks",
    "?!",
    "printer " * 500,
    "日本語の文章です",
]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.learn(NOTES, 0)


@pytest.fixture(scope="module")
def vectorizer():
    return TfidfVectorizer(analyzer="char_wb", ngram_range=texts.NGRAMS).fit(NOTES)


def assert_same_weights(encoder, vectorizer, values):
    ours, theirs = encoder.weights(values), vectorizer.transform(values)
    assert ours.shape == theirs.shape
    for name in ("indptr", "indices", "data"):
        assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_weights_are_those_of_scikit_learn(encoder, vectorizer):
    assert_array_equal(encoder.vocabulary, vectorizer.get_feature_names_out())
    assert_same_weights(encoder, vectorizer, [*NOTES, *OTHERS])


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
@example(["\x1c", "ŉ", "printer\u00a0printer"])
def test_weights_of_any_text_are_those_of_scikit_learn(encoder, vectorizer, values):
    assert_same_weights(encoder, vectorizer, values)


def test_coordinates_are_those_of_scikit_learn(encoder, vectorizer):
    weights = vectorizer.transform(NOTES)
    svd = TruncatedSVD(encoder.width, random_state=0)
    with threadpool_limits(1):
        expected = svd.fit_transform(weights)
    expected = (expected - expected.mean(axis=0)) / np.sqrt(expected.var(axis=0).mean())
    encoded = encoder.encode(NOTES)
    assert encoded.dtype == np.float32
    assert_allclose(encoded, expected, atol=1e-4)
    assert_allclose(encoded.mean(axis=0), 0, atol=1e-5)
    assert_allclose(encoded.var(axis=0).mean(), 1, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_text_does_not_depend_on_those_beside_it(encoder, size):
    values = [*NOTES, *OTHERS, None]
    together = encoder.encode(values)
    parts = [encoder.encode(values[i : i + size]) for i in range(0, len(values), size)]
    assert_array_equal(np.vstack(parts), together)
    assert_array_equal(encoder.encode(values[::-1]), together[::-1])


def test_many_texts_are_encoded_piece_by_piece(encoder, monkeypatch):
    together = encoder.encode(NOTES)
    monkeypatch.setattr(texts, "ENCODED_AT_ONCE", 64)
    assert_array_equal(encoder.encode(NOTES), together)


def test_same_seed_same_bits(encoder):
    again = TextEncoder.learn(NOTES, 0)
    for name in ("idf", "components", "center"):
        assert_array_equal(getattr(again, name), getattr(encoder, name))
    assert not np.array_equal(TextEncoder.learn(NOTES, 1).components, encoder.components)


def test_a_missing_text_is_the_mean_text(encoder):
    assert_array_equal(encoder.encode([None]), np.zeros((1, encoder.width)))
    assert encoder.encode([]).shape == (0, encoder.width)


def test_a_copy_has_what_was_learned_and_nothing_else(encoder):
    encoder.encode(NOTES)
    copy = pickle.loads(pickle.dumps(encoder))
    assert set(vars(copy)) == {"vocabulary", "idf", "components", "center"}
    assert_array_equal(copy.encode(NOTES), encoder.encode(NOTES))


@pytest.mark.parametrize("values", [["a"], ["abc", "abc def"], ["same text"] * 3, [1, 2.5, True]])
def test_few_texts_are_enough(values):
    encoder = TextEncoder.learn(values, 0)
    encoded = encoder.encode([*values, "new"])
    assert encoded.shape == (len(values) + 1, encoder.width)
    assert np.isfinite(encoded).all()


@pytest.mark.parametrize("values", [[""], ["?!", "..."], [" ", "\n"], []])
def test_text_without_letters_is_refused(values):
    with pytest.raises(ValueError, match=r"^must hold text with letters or digits .* 'category'"):
        TextEncoder.learn(values, 0)


def test_a_large_table_is_learned_from_a_sample(monkeypatch):
    monkeypatch.setattr(texts, "LEARNED_FROM", 50)
    sample = texts._sample(list(NOTES), 0)
    assert len(sample) == 50
    assert set(sample) <= set(NOTES)
    monkeypatch.setattr(texts, "LEARNED_CHARACTERS", 1000)
    assert sum(map(len, texts._sample(list(NOTES), 0))) <= 1000
    assert texts._sample(["a" * 5000, "b" * 5000], 0)[0][:9] in ("a" * 9, "b" * 9)


# ------------------------------------------------------------------------- prose
PROSE = {
    "notes": lambda i: f"the printer in room {i} does not print since yesterday",
    "half of them twice": lambda i: f"the printer in room {i // 2} does not print since yesterday",
    "Japanese": lambda i: f"プリンターが{i}号室で昨日から動かないので助けてください、お願いします",
}
NO_PROSE = {
    "few texts, many rows": lambda i: f"the printer in room {i % 9} does not print since yesterday",
    "names": lambda i: f"Braund {i}, Mr. Owen Harris",
    "addresses": lambda i: f"{i} Main St, Springfield",
    "mails": lambda i: f"user{i}@example.com",
    "paths": lambda i: f"/home/user/some/long/path/to/a/file/number/{i}.csv",
    "words": lambda i: f"Senior Engineer {i}",
    "Chinese names": lambda i: f"王小明{i}",
    "numbers": lambda i: i,
}


@pytest.mark.parametrize("name", [*PROSE, *NO_PROSE])
def test_what_is_prose(name):
    entries = [{**PROSE, **NO_PROSE}[name](i) for i in range(200)]
    values, counts = np.unique(np.array(entries, dtype=object), return_counts=True)
    assert is_prose(values, counts) == (name in PROSE)


def test_a_few_texts_are_no_prose():
    assert not is_prose([PROSE["notes"](i) for i in range(10)], [1] * 10)


@given(st.lists(st.text(alphabet="ab ", max_size=20), min_size=1))
def test_words_are_counted(values):
    expected = np.mean([len(re.findall("[ab]+", value)) for value in values])
    assert mean_words(values) == pytest.approx(expected)
