"""The first bytes of the formats that are taken, and of those that are refused with words of their own."""

from media.kinds import Kind, Sniffed
from states.text import Text

MP4 = Sniffed(Kind.VIDEO, "mp4", "video/mp4", "mov")
MOV = Sniffed(Kind.VIDEO, "mov", "video/quicktime", "mov")
M4A = Sniffed(Kind.AUDIO, "m4a", "audio/mp4", "mov")
MKV = Sniffed(Kind.VIDEO, "matroska", "video/x-matroska", "matroska")
WEBM = Sniffed(Kind.VIDEO, "webm", "video/webm", "matroska")
TS = Sniffed(Kind.VIDEO, "mpegts", "video/mp2t", "mpegts")
MP3 = Sniffed(Kind.AUDIO, "mp3", "audio/mpeg", "mp3")
AAC = Sniffed(Kind.AUDIO, "aac", "audio/aac", "aac")
HEIF = Sniffed(Kind.STILL, "heif", "image/heic", None)
AVIF = Sniffed(Kind.STILL, "avif", "image/avif", None)
BMP = Sniffed(Kind.STILL, "bmp", "image/bmp", None)
TEXT = Sniffed(Kind.TEXT, "text", "text/plain", None)
DOCX = Sniffed(
    Kind.DOCUMENT, "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", None
)
H5 = Sniffed(Kind.PACKAGE, "h5", "application/zip", None)

# Signatures at offset 0, as the formats' own documents give them.
TAKEN: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\xff\xd8\xff", Sniffed(Kind.STILL, "jpeg", "image/jpeg", None)),
    (b"\x89PNG\r\n\x1a\n", Sniffed(Kind.STILL, "png", "image/png", None)),
    (b"GIF87a", Sniffed(Kind.STILL, "gif", "image/gif", None)),
    (b"GIF89a", Sniffed(Kind.STILL, "gif", "image/gif", None)),
    (b"II*\x00", Sniffed(Kind.STILL, "tiff", "image/tiff", None)),
    (b"MM\x00*", Sniffed(Kind.STILL, "tiff", "image/tiff", None)),
    (b"FLV\x01", Sniffed(Kind.VIDEO, "flv", "video/x-flv", "flv")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Sniffed(Kind.VIDEO, "asf", "video/x-ms-asf", "asf")),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Sniffed(Kind.VIDEO, "mxf", "application/mxf", "mxf")),
    (b"\x00\x00\x01\xba", Sniffed(Kind.VIDEO, "mpegps", "video/mpeg", "mpeg")),
    (b"\x00\x00\x01\xb3", Sniffed(Kind.VIDEO, "mpegvideo", "video/mpeg", "mpegvideo")),
    (b"fLaC", Sniffed(Kind.AUDIO, "flac", "audio/flac", "flac")),
    (b"OggS", Sniffed(Kind.AUDIO, "ogg", "audio/ogg", "ogg")),
    (b"#!AMR\n", Sniffed(Kind.AUDIO, "amr", "audio/amr", "amr")),
    (b"#!AMR-WB\n", Sniffed(Kind.AUDIO, "amr", "audio/amr-wb", "amr")),
    (b"ID3", MP3),
    (b"%PDF-", Sniffed(Kind.DOCUMENT, "pdf", "application/pdf", None)),
)
# Containers whose first four bytes are shared: the form is four bytes further on.
_WAV = Sniffed(Kind.AUDIO, "wav", "audio/wav", "wav")
FORMS: dict[tuple[bytes, bytes], Sniffed] = {
    (b"RIFF", b"WEBP"): Sniffed(Kind.STILL, "webp", "image/webp", None),
    (b"RIFF", b"WAVE"): _WAV,
    (b"RF64", b"WAVE"): _WAV,
    (b"BW64", b"WAVE"): _WAV,
    (b"RIFF", b"AVI "): Sniffed(Kind.VIDEO, "avi", "video/x-msvideo", "avi"),
    (b"FORM", b"AIFF"): Sniffed(Kind.AUDIO, "aiff", "audio/aiff", "aiff"),
    (b"FORM", b"AIFC"): Sniffed(Kind.AUDIO, "aiff", "audio/aiff", "aiff"),
}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}
MOV_FIRST_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

EMPTY = Text("文件是空的，请重新导出后再上传。", "The file is empty; export it again and upload it.")
UNKNOWN = Text(
    "无法识别此文件的格式。请上传 MP4、MOV、MP3、WAV、JPEG 或 PNG 等常见格式。",
    "The format of this file is not known. Send a common one such as MP4, MOV, MP3, WAV, JPEG or PNG.",
)
PROGRAM = Text(
    "这是可执行程序，不接收。请上传视频、音频、图片或文稿本身。",
    "This is a program and is not taken. Send the video, sound, picture or text itself.",
)
SCRIPT = Text(
    "这是脚本代码，不接收。请上传视频、音频、图片或文稿本身。",
    "This is a script and is not taken. Send the video, sound, picture or text itself.",
)
PLAYLIST = Text(
    "这是播放列表，只引用别的文件，不是媒体本身。请上传视频、音频或图片文件。",
    "This is a playlist that only names other files. Send the video, sound or picture itself.",
)
SVG = Text(
    "不接收 SVG 图片（其中可以含有脚本），请导出为 PNG 后再上传。",
    "SVG is not taken, as it can carry scripts; export the picture as PNG and send that.",
)
MARKUP = Text(
    "这是网页或 XML 代码，不是媒体文件。H5 作品请把网页和素材一起打包成 zip 后上传。",
    "This is web markup, not media. Send an H5 page as one zip with all that it needs.",
)
ARCHIVE = Text(
    "不接收压缩包，请解压后逐个上传文件。H5 作品的 zip 里须有 index.html。",
    "Archives are not taken; unpack it and send the files one by one. The zip of an H5 page holds an index.html.",
)
OLD_OFFICE = Text(
    "旧版 Office 文件（如 .doc）不接收，请在 Word 中另存为 .docx 后再上传。",
    "Old Office files such as .doc are not taken; save it as .docx in Word and send that.",
)
OTHER_OFFICE = Text(
    "不接收表格和幻灯片，请另存为 PDF 或 .docx 后再上传。",
    "Spreadsheets and slides are not taken; save it as PDF or .docx and send that.",
)
RTF = Text("不接收 RTF 文稿，请另存为 .docx 后再上传。", "RTF is not taken; save it as .docx and send that.")
UTF_16 = Text(
    "文稿的编码是 UTF-16，请另存为 UTF-8 后再上传。",
    "The text is encoded in UTF-16; save it as UTF-8 and send that.",
)
LONG_TEXT = Text("文稿超过 20 MB 的上限，请分成几份上传。", "The text has more than 20 MB; send it in parts.")
FLASH = Text(
    "不接收 Flash 文件，请导出为 MP4 后再上传。", "Flash is not taken; export it as MP4 and send that."
)
LAYERS = Text(
    "不接收分层图片（PSD），请导出为 JPEG 或 PNG 后再上传。",
    "Layered pictures (PSD) are not taken; export it as JPEG or PNG and send that.",
)
RAW = Text(
    "不接收相机原始格式，请导出为 JPEG 后再上传。",
    "Raw camera files are not taken; export the picture as JPEG and send that.",
)

REFUSED: tuple[tuple[bytes, Text], ...] = (
    (b"MZ\x90\x00", PROGRAM),
    (b"MZ\x00", PROGRAM),
    (b"\x7fELF", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),  # Java, and Mach-O for several machines
    (b"\xfe\xed\xfa\xce", PROGRAM),
    (b"\xfe\xed\xfa\xcf", PROGRAM),
    (b"\xce\xfa\xed\xfe", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\x00asm", PROGRAM),
    (b"dex\n", PROGRAM),
    (b"L\x00\x00\x00\x01\x14\x02\x00", PROGRAM),  # a Windows shortcut starts one
    (b"#!", SCRIPT),
    (b"%!PS", SCRIPT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_OFFICE),
    (b"{\\rtf", RTF),
    (b"FWS", FLASH),
    (b"CWS", FLASH),
    (b"ZWS", FLASH),
    (b"8BPS", LAYERS),
    (b"Rar!\x1a\x07", ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"\x1f\x8b\x08", ARCHIVE),
    (b"BZh", ARCHIVE),
    (b"\xfd7zXZ\x00", ARCHIVE),
    (b"\x28\xb5\x2f\xfd", ARCHIVE),
    (b"PK\x05\x06", ARCHIVE),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
)
