"""The encoding of text that is not in Unicode."""

import pytest

from taut.catalogue import catalogue
from taut.errors import InputError
from taut.frames.as_frame import NOTES
from taut.frames.read import read_table
from taut.frames.text_encoding import guess

TEXTS = {
    "cp932": ["東京都", "大阪", "名古屋市", "さくら", "カタカナ", "ﾊﾝｶｸ", "神奈川県"],
    "euc-jp": ["東京都", "大阪", "さくら", "カタカナ"],
    "gb18030": ["北京", "上海", "广州", "男", "女", "身高（厘米）"],
    "big5": ["臺北市", "高雄", "臺中市", "男", "女"],
    "cp949": ["서울", "부산", "대구", "인천", "광주", "대전", "울산", "경기도", "이름", "나이"],
}
POLISH = ["Łódź", "Kraków", "Gdańsk", "Wrocław", "Rzeszów", "Białystok", "mężczyzna"]
CZECH = ["Plzeň", "Ústí", "Liberec", "Hradec Králové", "České Budějovice", "muž", "žena"]
HUNGARIAN = ["Győr", "Székesfehérvár", "Pécs", "Fertőd", "nő", "férfi", "Tűzoltó"]
RUSSIAN = ["Москва", "Казань", "Пермь", "Ёлкино", "да", "нет"]
GREEK = ["Αθήνα", "Πάτρα", "Θεσσαλονίκη", "ναι", "όχι", "Λάρισα", "Άρτα", "Ήπειρος"]
PAGES = [
    ("cp1250", POLISH),
    ("iso8859-2", POLISH),
    ("cp852", POLISH),
    ("cp1250", CZECH),
    ("iso8859-2", CZECH),
    ("cp852", CZECH),
    ("cp1250", HUNGARIAN),
    ("cp852", HUNGARIAN),
    ("cp1250", ["Kranjska Gora", "Škofja Loka", "Črnomelj", "Žalec", "moški", "ženska"]),
    ("cp1250", ["Bucureşti", "Timişoara", "Constanţa", "Iaşi", "Braşov", "bărbat", "Galaţi"]),
    ("cp1254", ["İstanbul", "Diyarbakır", "Eskişehir", "Muğla", "Çanakkale", "kadın", "Iğdır"]),
    ("cp857", ["İstanbul", "Diyarbakır", "Eskişehir", "Muğla", "Çanakkale", "kadın", "Iğdır"]),
    ("cp1255", ["ירושלים", "תל אביב", "חיפה", "באר שבע", "כן", "לא", "אשדוד"]),
    ("cp1256", ["القاهرة", "الرياض", "بغداد", "دمشق", "نعم", "لا", "الإسكندرية"]),
    ("cp1256", ["تهران", "اصفهان", "شيراز", "پکن", "تبريز", "مشهد", "گرگان"]),
    ("cp1257", ["Rīga", "Liepāja", "Ventspils", "Jūrmala", "Cēsis", "Jēkabpils", "sieviešu"]),
    ("cp1257", ["Šiauliai", "Panevėžys", "Klaipėda", "Kėdainiai", "Mažeikiai", "Vyžuonų"]),
    ("cp1253", GREEK),
    ("iso8859-7", GREEK),
    ("cp1251", RUSSIAN),
    ("koi8-r", RUSSIAN),
    ("cp866", RUSSIAN),
    ("cp1251", ["Київ", "Львів", "Чернівці", "Харків", "Запоріжжя", "Ужгород", "жінка"]),
    ("cp874", ["กรุงเทพ", "เชียงใหม่", "ภูเก็ต", "ชาย", "หญิง", "ขอนแก่น"]),
    ("mac-roman", ["Köln", "Düsseldorf", "Straße", "Würzburg", "Göttingen", "Öl"]),
    ("mac-roman", ["Orléans", "Besançon", "élève", "Noël", "Angoulême", "Sète"]),
    ("cp850", ["Köln", "Düsseldorf", "Straße", "Würzburg", "Göttingen", "Öl"]),
]
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
    assert guess(("n,x,y\r\n" + "".join(lines)).encode(name)).name == name


@pytest.mark.parametrize(("name", "words"), PAGES)
@pytest.mark.parametrize("rows", [1, 300])
def test_the_code_page_is_the_one_in_which_the_letters_make_sense(name, words, rows):
    lines = "".join(f"{k};{word};{k % 3}\r\n" for k, word in enumerate(words * rows))
    content = ("n;x;y\r\n" + lines).encode(name)
    assert content.decode(guess(content).name) == content.decode(name)


@pytest.mark.parametrize("words", WESTERN)
@pytest.mark.parametrize("rows", [1, 300])
def test_western_text_stays_western(words, rows):
    content = "\n".join(words * rows).encode("cp1252")
    assert guess(content).name == "cp1252"


def test_every_byte_has_a_reading():
    assert bytes(range(256)).decode(guess(bytes(range(1, 256))).name)


def test_a_character_that_is_cut_at_the_end_is_no_error():
    content = "東京都,大阪,さくら".encode("cp932") * 9
    assert guess(content[:-1]).name == "cp932"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Straße".encode("cp1252"), "read as cp1252, with 'Straße' (--encoding decides)"),
        ("Łódź, Kraków".encode("cp1250"), "read as cp1250, with 'Łódź', 'Kraków' (--enc"),
        ("Moskau, Москва".encode("cp1251"), "read as cp1251, with 'Москва' (--enc"),
        ("上海;北京".encode("gb18030"), "read as gb18030, with '上海', '北京' (--enc"),
        ("서울".encode("cp949"), "; in cp949, also likely, '서울' (--enc"),
        ("mañana".encode("cp1252"), "with 'mañana'; in cp1250, also likely, 'mańana' (--enc"),
    ],
)
def test_a_guess_is_told_with_what_it_gives_and_what_else_it_may_be(content, told):
    sentence = str(guess(content))
    assert told in sentence
    assert catalogue("zh").knows(sentence)


def test_pages_that_read_every_word_alike_are_no_doubt():
    """ä, ö and ü are the same in Western, Central European, Turkish and Baltic Windows."""
    assert not guess("Bär Köln Tür, Wörter, Häuser, für, größte".encode("cp1252")).other


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x,y\nKöln,1\nBär,2\n".encode() + "für".encode("cp1252"), "not in line 4, behind 'f'"),
        ("x,y\nKöln,1\nBär".encode()[:-2], "not in line 3, behind 'B'"),
        (b"x,y\n" * 300_000 + "Köln\nBär\nf\xfcr".encode("latin-1"), None),
        ("Köln\n".encode() * 200_000 + b"f\xfcr", "not in line 200001, behind 'f'"),
    ],
)
def test_a_file_in_two_encodings_is_refused_by_its_line(tmp_path, content, says):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    if says is None:  # what is not ASCII stands far behind the beginning
        assert "'Köln', 'Bär'" in read_table(path).attrs[NOTES][0]
        return
    with pytest.raises(InputError, match=f"one encoding from its first line.*{says}"):
        read_table(path)


def test_what_is_no_encoding_of_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"x,y\n1,2\n")
    with pytest.raises(InputError, match="'base64'"):
        read_table(tmp_path / "t.csv", encoding="base64")
