"""Tiny fonts made at test time: a solid block for each character."""

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen


def _block(tall):
    pen = TTGlyphPen(None)
    corners = [(100, 0), (100, tall), (900, tall), (900, 0)]
    pen.moveTo(corners[0])
    for corner in corners[1:]:
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


def block_font(path, characters, family="Blocks", empty=""):
    """A TrueType font whose characters are blocks of 0.8 em on 1 em; those of `empty` have no outline."""
    names = {sign: f"u{ord(sign):05X}" for sign in characters + empty}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(sign): name for sign, name in names.items()})
    outlines = {name: TTGlyphPen(None).glyph() if sign in empty else _block(800) for sign, name in names.items()}
    builder.setupGlyf({".notdef": _block(500), **outlines})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "fullName": family, "psName": family})
    builder.setupOS2(usWinAscent=900, usWinDescent=200, sTypoAscender=900, sTypoDescender=-200)
    builder.setupPost()
    builder.save(path)
    return path
