"""The section `captions`: how the words of a scene are shown."""

from __future__ import annotations

from dataclasses import dataclass

from stages.settings import setting

POSITIONS = ("bottom", "middle", "top")


@dataclass(frozen=True)
class CaptionSettings:
    """How captions look, where they stand, and how much of the text one of them holds."""

    enabled: bool = setting(True, "false: no captions in the picture; the .srt is made all the same")
    style: str = setting("bold", "bold, clean, boxed, karaoke, or one of captions.styles")
    styles: str = setting("", "a YAML file of your own styles", affects_output=False)
    font: str = setting("", "family of the font; empty for the one that comes along")
    fonts: str = setting("", "a folder of fonts, looked at before those of the system", affects_output=False)
    size: float = setting(0.0, "em of the letters; 0: as the style says", low=0, high=30, unit="% of the height")
    position: str = setting("bottom", "bottom is the lower third, above an app's buttons", choices=POSITIONS)
    margin_sides: float = setting(8.0, "room left and right", low=0, high=40, unit="% of the width")
    margin_bottom: float = setting(22.0, "room below, where apps put their buttons", low=0, high=90, unit="%")
    margin_top: float = setting(12.0, "room above", low=0, high=90, unit="% of the height")
    max_lines: int = setting(2, "lines of one caption at most", low=1, high=6)
    max_s: float = setting(5.0, "longest time of one caption", low=0.5, high=60, unit="s")
    pause_s: float = setting(0.6, "a silence as long as this begins a new caption", low=0.05, high=10, unit="s")
    uppercase: bool = setting(False, "set everything in capitals")
    colour: str = setting("", "of the letters, such as #FFFFFF; empty: as the style says")
    active_colour: str = setting("", "of the word that is spoken; empty: as the style says")
    outline_colour: str = setting("", "of the line around the letters; empty: as the style says")
    language: str = setting("", "of texts that do not tell theirs (BCP-47); empty: by their letters")
    width: int = setting(768, "of the picture", low=16, high=16384, unit="px")
    height: int = setting(1344, "of the picture", low=16, high=16384, unit="px")


# what a scene's own `caption` may say
OF_A_SCENE = (
    "enabled", "style", "font", "size", "position", "max_lines", "max_s", "pause_s", "uppercase", "colour",
    "active_colour", "outline_colour",
)  # fmt: skip
