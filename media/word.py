"""The text of a Word document (.docx). Runs behind the guard; opens no link, no embedded object, no entity."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from media.errors import Malformed, NotMedia, TooLarge
from media.packages import PackageEntry, hashed_pieces, safe_entries
from media.zips import ZipEntry, unpacked
from states.text import Text

_DOCUMENT = "word/document.xml"
_PICTURES = "word/media/"
_MACROS = "vbaproject.bin"
_MAX_XML_BYTES = 50_000_000
_MAX_TEXT = 2_000_000
# Element names of WordprocessingML (ECMA-376 part 1, 17.3), by the name space that it has in both editions.
_SPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


@dataclass(frozen=True, slots=True)
class WordDocument:
    """The paragraphs of a document, and the pictures that it carries."""

    paragraphs: tuple[str, ...]
    pictures: tuple[PackageEntry, ...]


def read_word(path: Path) -> WordDocument:
    """Paragraphs with text, and pictures. Malformed when damaged, TooLarge over a cap, NotMedia with macros."""
    entries = safe_entries(path)
    by_name = {entry.name: entry for entry in entries}
    if any(name.lower().endswith(_MACROS) for name in by_name):
        raise NotMedia(
            Text(
                "文稿中含有宏，不接收。请另存为不含宏的 .docx 后再上传。",
                "The document holds macros. Save it as .docx without them and send that.",
            )
        )
    if _DOCUMENT not in by_name:
        raise _damaged("no document.xml")
    with path.open("rb") as file:
        paragraphs = _paragraphs(b"".join(unpacked(file, _small(by_name[_DOCUMENT]))))
        pictures = [hashed_pieces(file, entry)[0] for entry in entries if entry.name.startswith(_PICTURES)]
    return WordDocument(paragraphs, tuple(pictures))


def _small(entry: ZipEntry) -> ZipEntry:
    if entry.size_bytes > _MAX_XML_BYTES:
        raise _too_long()
    return entry


def _paragraphs(xml: bytes) -> tuple[str, ...]:
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    # Word writes no document type; whoever does wants entities, and with them other files or a bomb.
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ExternalEntityRefHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise _damaged(f"XML error {error.code}") from error
    return tuple(reader.paragraphs)


@dataclass(slots=True)
class _Reader:
    """What was read so far."""

    paragraphs: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    length: int = 0
    is_text: bool = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        """An element begins."""
        tag = _tag(name)
        self.is_text = tag == "t"
        if tag in _BREAKS:
            self.parts.append(_BREAKS[tag])

    def end(self, name: str) -> None:
        """An element ends; a paragraph with text in it is kept."""
        self.is_text = False
        if _tag(name) == "p":
            paragraph = "".join(self.parts).strip()
            self.parts.clear()
            if paragraph:
                self.paragraphs.append(paragraph)

    def text(self, data: str) -> None:
        """Characters; those of `w:t` alone are text, others are fields and deleted words."""
        if not self.is_text:
            return
        self.length += len(data)
        if self.length > _MAX_TEXT:
            raise _too_long()
        self.parts.append(data)

    def refuse(self, *_: object) -> int:
        """A document type or an entity is declared."""
        raise NotMedia(
            Text(
                "文稿中含有不安全的 XML 声明。请用 Word 打开并另存为 .docx 后再上传。",
                "The document holds an unsafe XML declaration. Open it in Word, save it as .docx and send that.",
            )
        )


def _tag(name: str) -> str:
    space, _, tag = name.rpartition(" ")
    return tag if space in _SPACES else ""


def _damaged(detail: str) -> Malformed:
    return Malformed(
        Text(
            "文稿已损坏，请用 Word 打开并另存为 .docx 后再上传。",
            "The document is damaged; open it in Word, save it as .docx and send that.",
        ),
        detail,
    )


def _too_long() -> TooLarge:
    return TooLarge(
        Text(
            "文稿太长（上限 200 万字），请分成几份上传。",
            "The document is too long (2 million characters at most); send it in parts.",
        )
    )
