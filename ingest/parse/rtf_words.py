"""Words of RTF: code pages, signs, and the groups that are skipped or entered."""

from __future__ import annotations

# fmt: off
CHARSETS = {
    0: "", 1: "", 2: "symbol", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp437",
}
CODEPAGES = {936: "gb18030", 10000: "mac_roman", 65001: "utf-8", 708: "cp1256", 1361: "johab"}
SIGNS = {
    "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
    "tab": "\t", "line": "\n", "lbr": "\n", "emspace": " ", "enspace": " ", "qmspace": " ", "softline": "\n",
}
SYMBOLS = {"~": "\u00a0", "_": "-", "{": "{", "}": "}", "\\": "\\", "\t": "\t"}
SKIPPED = frozenset((
    "colortbl", "pict", "themedata", "colorschememapping", "datastore", "latentstyles", "listtable", "revtbl",
    "listoverridetable", "rsidtbl", "generator", "filetbl", "xmlnstbl", "fldinst", "bkmkstart", "bkmkend", "atnid",
    "atnauthor", "annotation", "atnref", "atndate", "atnicn", "atntime", "nonshppict", "shppict", "pntxta", "pntxtb",
    "mmathPr", "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "xe", "tc", "rxe", "txe", "sp",
    "shprslt", "objdata", "objclass", "objname", "nonesttables", "formfield", "datafield", "docvar",
    "background", "panose", "falt", "operator", "author", "company", "category", "keywords", "comment", "doccomm",
    "hlinkbase", "manager", "creatim", "revtim", "printim", "buptim", "subject", "private", "objalias",
))
ENTERED = frozenset(("shpinst", "do", "ud", "shptxt", "dptxbxtext", "moMath", "moMathPara", "shpgrp", "footnote",
                      "nesttableprops"))
RUNNING = frozenset((
    "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf",
))
# fmt: on
