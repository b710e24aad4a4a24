"""Which scripts a model can tell apart: measured, by asking it about texts that have nothing to do with each other.

A tokenizer turns a script that it does not know into the same few tokens, so any two texts in it look alike: to
all-MiniLM-L6-v2 every Thai text is every other (cosine 1.0). There words must decide.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from faiss_memory.contracts.comparing import cosines
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.memory import COSINE, Metric

MOST_ALIKE = 0.4
"""The cosine of two unrelated texts, beyond which a model is taken not to know their script."""
LONGEST = 2_000
SYMBOLS = "SYMBOL"

UNRELATED = {
    "ARABIC": ("غدا يبدأ الاجتماع في التاسعة", "اللون الأزرق يناسب الباب القديم"),
    "ARMENIAN": ("Վաղը հանդիպումը սկսվում է իննին", "Կապույտ գույնը սազում է հին դռանը"),
    "BENGALI": ("আগামীকাল সভা নয়টায় শুরু হবে", "পুরানো দরজায় নীল রঙ মানায়"),
    "CJK": ("明天九点开会", "旧门适合蓝色"),
    "CYRILLIC": ("Завтра собрание начинается в девять", "Синий цвет подходит старой двери"),
    "DEVANAGARI": ("कल बैठक नौ बजे शुरू होगी", "पुराने दरवाज़े पर नीला रंग अच्छा लगता है"),
    "ETHIOPIC": ("ነገ ስብሰባው በሦስት ሰዓት ይጀምራል", "ሰማያዊ ቀለም ለአሮጌው በር ይስማማል"),
    "GEORGIAN": ("ხვალ კრება ცხრაზე იწყება", "ლურჯი ფერი ძველ კარს უხდება"),
    "GREEK": ("Αύριο η συνάντηση αρχίζει στις εννέα", "Το μπλε ταιριάζει στην παλιά πόρτα"),
    "GUJARATI": ("કાલે મીટિંગ નવ વાગ્યે શરૂ થશે", "જૂના દરવાજાને વાદળી રંગ શોભે છે"),
    "GURMUKHI": ("ਕੱਲ੍ਹ ਮੀਟਿੰਗ ਨੌਂ ਵਜੇ ਸ਼ੁਰੂ ਹੋਵੇਗੀ", "ਪੁਰਾਣੇ ਦਰਵਾਜ਼ੇ ਤੇ ਨੀਲਾ ਰੰਗ ਫੱਬਦਾ ਹੈ"),
    "HANGUL": ("내일 회의는 아홉 시에 시작한다", "낡은 문에는 파란색이 어울린다"),
    "HEBREW": ("מחר הפגישה מתחילה בתשע", "הצבע הכחול מתאים לדלת הישנה"),
    "HIRAGANA": ("あしたのかいぎはくじからです", "ふるいとびらにはあおがにあう"),
    "KANNADA": ("ನಾಳೆ ಸಭೆ ಒಂಬತ್ತಕ್ಕೆ ಆರಂಭ", "ಹಳೆಯ ಬಾಗಿಲಿಗೆ ನೀಲಿ ಬಣ್ಣ ಒಪ್ಪುತ್ತದೆ"),
    "KATAKANA": ("ミーティングハクジカラデス", "フルイドアニハブルーガニアウ"),
    "KHMER": ("ថ្ងៃស្អែកការប្រជុំចាប់ផ្តើមម៉ោងប្រាំបួន", "ពណ៌ខៀវសមនឹងទ្វារចាស់"),
    "LAO": ("ມື້ອື່ນການປະຊຸມເລີ່ມເກົ້າໂມງ", "ສີຟ້າເໝາະກັບປະຕູເກົ່າ"),
    "MALAYALAM": ("നാളെ യോഗം ഒമ്പതിന് തുടങ്ങും", "പഴയ വാതിലിന് നീല നിറം ചേരും"),
    "MYANMAR": ("မနက်ဖြန် အစည်းအဝေး ကိုးနာရီစမည်", "တံခါးဟောင်းနှင့် အပြာရောင်လိုက်ဖက်သည်"),
    "SINHALA": ("හෙට රැස්වීම නවයට පටන් ගනී", "පරණ දොරට නිල් පාට ගැළපේ"),
    "TAMIL": ("நாளை கூட்டம் ஒன்பது மணிக்கு", "பழைய கதவுக்கு நீல நிறம் பொருந்தும்"),
    "TELUGU": ("రేపు సమావేశం తొమ్మిదికి మొదలవుతుంది", "పాత తలుపుకు నీలం రంగు నప్పుతుంది"),
    "THAI": ("พรุ่งนี้ประชุมเริ่มเก้าโมง", "สีน้ำเงินเข้ากับประตูเก่า"),
}
"""Two sentences of each script: when a meeting begins, and which colour an old door has."""


def scripts_of(text: str) -> Counter[str]:
    """Count the letters of a text by their script, named as Unicode names it; pictures count as SYMBOLS."""
    found: Counter[str] = Counter()
    for character, count in Counter(text[:LONGEST]).items():
        category = unicodedata.category(character)
        if category[0] == "L":
            name = unicodedata.name(character, "").split(" ", 1)[0]
            found["CJK" if name.startswith("CJK") else name] += count
        elif category == "So":
            found[SYMBOLS] += count
    return found


class KnownScripts:
    """The scripts that one model can tell apart; each is tried when it is first met."""

    def __init__(self, embed: Callable[[Sequence[str]], Vectors], metric: Metric = COSINE) -> None:
        self._embed = embed
        self._metric = metric
        self._known: dict[str, bool] = {"LATIN": True, SYMBOLS: False}

    def share(self, text: str) -> float:
        """Return which share of a text's letters the model can tell apart, in [0, 1]; 1 for a text without letters.

        Raises EmbedderError.
        """
        if text.isascii():
            return 1.0  # it has Latin letters or none
        counts = scripts_of(text)
        total = counts.total()
        return sum(n for script, n in counts.items() if self._knows(script)) / total if total else 1.0

    def _knows(self, script: str) -> bool:
        if script not in self._known:
            pair = UNRELATED.get(script)
            if pair is None:
                self._known[script] = False
            else:
                vectors = self._embed(pair)
                self._known[script] = float(cosines(self._metric, vectors, vectors)[0, 1]) <= MOST_ALIKE
        return self._known[script]
