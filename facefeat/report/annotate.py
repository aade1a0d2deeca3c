"""Draw boxes and names on photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facefeat.data import picture
from facefeat.errors import StorageError

if TYPE_CHECKING:
    from facefeat.learn.predict import Photo

KNOWN, UNKNOWN = (22, 163, 74), (217, 119, 6)
_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf")


def annotate(photo: Photo, folder: Path) -> Path:
    """Write a copy of a photograph with every face boxed and named.

    Parameters
    ----------
    photo : Photo
        One that could be read.
    folder : Path
        Created where it is missing; a name that is taken gets a number.

    Returns
    -------
    Path
        The PNG that was written.

    Raises
    ------
    StorageError
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture.load(photo.path).pixels)
    draw = ImageDraw.Draw(image)
    width = max(2, round(max(image.size) / 300))
    font = _font(max(12, round(max(image.size) / 40)))
    for face, naming in photo.faces:
        colour = KNOWN if naming.name else UNKNOWN
        box = [round(float(side)) for side in face.box]
        draw.rectangle(box, outline=colour, width=width)
        _label(draw, box, f"{naming.name or 'unknown'}  {naming.score:.2f}", font, colour, image.size)
    return _saved(image, Path(photo.path), folder)


def _label(
    draw: Any, box: list[int], text: str, font: Any, colour: tuple[int, int, int], size: tuple[int, int]
) -> None:
    """Write a name on its own ground above the box, or inside it where there is no room."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = max(2, (bottom - top) // 4)
    wide, high = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(box[0], 0), max(size[0] - wide, 0))
    y = box[1] - high if box[1] >= high else box[1]
    draw.rectangle([x, y, x + wide, y + high], fill=colour)
    draw.text((x + pad - left, y + pad - top), text, font=font, fill=(255, 255, 255))


def _font(size: int) -> Any:
    from PIL import ImageFont

    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _saved(image: Any, source: Path, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target, number = folder / f"{source.stem}.png", 1
        while target.exists():
            number += 1
            target = folder / f"{source.stem}-{number}.png"
        image.save(target)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return target
