"""The encoding of text that is not in Unicode."""

import pytest

from taut.frames.text_encoding import guess

TEXTS = {
    "cp932": ["東京都", "大阪", "名古屋市", "さくら", "カタカナ", "ﾊﾝｶｸ", "神奈川県"],
    "euc-jp": ["東京都", "大阪", "さくら", "カタカナ"],
    "gb18030": ["北京", "上海", "广州", "男", "女", "身高（厘米）"],
    "big5": ["臺北市", "高雄", "臺中市", "男", "女"],
    "cp949": ["서울", "부산", "대구", "인천", "광주", "대전", "울산", "경기도", "이름", "나이"],
    "cp1251": ["Москва", "Казань", "Пермь", "Ёлкино", "да", "нет"],
    "koi8-r": ["Москва", "Казань", "Пермь", "да", "нет"],
    "cp1253": ["Αθήνα", "Πάτρα", "Θεσσαλονίκη", "ναι", "όχι"],
}
# None of these may be taken for anything else.
WESTERN = [
    ["Köln", "Düsseldorf", "Straße", "Ärztin", "Öl"],
    ["Ärztin", "Bauer"],
    ["Äpfel", "Ämter", "Übung"],
    ["“Hello”", "it’s", "don’t – or “do”", "5 €"],
    ["Orléans", "Angoulême", "Besançon", "élève", "Noël", "où"],
    ["São Paulo", "coração", "ações"],
    ["Åre", "Malmö", "Växjö", "smörgåsbord"],
    ["El Niño", "¿cómo?", "¡sí!"],
    ["20 °C", "5 µm", "± 3", "m²"],
    ["naïve"],
    ["£5", "½", "©"],
]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("rows", [1, 300])
def test_the_encoding_of_other_scripts_is_seen(name, rows):
    lines = [f"{k},{word}{k % 7},{k % 3}\r\n" for k, word in enumerate(TEXTS[name] * rows)]
    assert guess(("n,x,y\r\n" + "".join(lines)).encode(name)) == name


@pytest.mark.parametrize("words", WESTERN)
@pytest.mark.parametrize("rows", [1, 300])
def test_western_text_stays_western(words, rows):
    content = "\n".join(words * rows).encode("cp1252")
    assert guess(content) == "cp1252"


def test_what_no_other_knows_is_latin():
    assert guess(b"caf\xe9 \x81\x8d") == "latin-1"


def test_a_character_that_is_cut_at_the_end_is_no_error():
    content = "東京都,大阪,さくら".encode("cp932") * 9
    assert guess(content[:-1]) == "cp932"
