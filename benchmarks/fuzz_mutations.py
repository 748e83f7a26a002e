"""How `fuzz.py` spoils files: bytes of any file, cards of FITS, arrays of npz and HDF5, values of JSON and TOML."""
from __future__ import annotations

import gzip
import io
import json
import os
import re
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Random = np.random.Generator
BLOCK, CARD = 2880, 80
NUMBERS = (
    0, 1, -1, 2, 3, 7, 63, 999, 1000, 65536, 2**31 - 1, 2**31, 2**32, 2**63, 10**18, 10**30, -(2**31), -(10**20),
    0.5, -0.0, 1e-300, 5e-324, 1e75, 1e200, 1e300, 1.8e308, -1e300, 1e-5, 150.0,
)  # fmt: skip
FLOATS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e8, 1e75, 1e160, 1e300, -1e300, 1e-320, 1e-160, 1e39)
WORDS = (
    "", "T", "F", "NaN", "INF", "'text'", "'", "' / ", "1e400", "-1E-999", "(1, 2)", "1 2", "0x10", "\x1b[2J", "\0",
    "\n", "'RA---TAN'", "'DEC--SIN-SIP'", "'RA---TAB'", "'GLON-HPX'", "'arcsec'", "'m**99999999'",
    "'10**(99999999) Jy'", "'deg'", "'EXP'", "'JWST'", "'PSF'", "'BINTABLE'", "'IMAGE'", "'TABLE'", "'FOREIGN'",
    "'99999999D'", "'1PD(9)'",
)  # fmt: skip
CARDS = (
    "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS999", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "GROUPS", "EXTEND",
    "BSCALE", "BZERO", "BLANK", "ZIMAGE", "ZNAXIS", "ZNAXIS1", "ZTILE1", "ZBITPIX", "ZCMPTYPE", "ZNAME1", "ZVAL1",
    "ZQUANTIZ", "ZDITHER0", "ZBLANK", "TFORM1", "TTYPE1", "TDIM1", "THEAP", "TSCAL1", "TZERO1", "TNULL1", "EXTNAME",
    "EXTVER", "BUNIT", "CTYPE1", "CTYPE2", "CUNIT1", "CDELT1", "CDELT2", "CRPIX1", "CRVAL1", "CRVAL2", "CD1_1", "CD2_2",
    "PC1_1", "PC2_2", "CROTA2", "PV1_1", "PV2_99", "LONPOLE", "LATPOLE", "WCSAXES", "WCSAXESA", "RADESYS", "EQUINOX",
    "MJD-OBS", "DATE-OBS", "A_ORDER", "A_2_0", "B_ORDER", "AP_ORDER", "CPDIS1", "D2IMDIS1", "PS1_0", "PIXAR_A2",
    "PIXSCALE", "PIXELSCL", "TELESCOP", "INSTRUME", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH", "SIMPLE", "XTENSION",
    "END", "INHERIT", "CHECKSUM", "DATASUM", "PTYPE1", "PSCAL1", "PZERO2", "CTYPE3", "CRVAL4", "CRPIX5", "OVERSAMP",
)  # fmt: skip


def mutated(files: dict[str, bytes], others: list[bytes], random: Random) -> dict[str, Any]:
    """Files with one of them spoiled; a value that is no bytes makes something else of the path it is called with."""
    name = str(random.choice(sorted(files)))
    content: Any = files[name]
    for _ in range(1 + (random.random() < 0.2)):
        if isinstance(content, bytes):
            content = _spoiled(name, content, others, random)
    return files | {name: content}


def _spoiled(name: str, content: bytes, others: list[bytes], random: Random) -> Any:
    chance = random.random()
    if chance < 0.04:
        return _SPECIAL[random.integers(len(_SPECIAL))]
    if chance < 0.07:
        return others[random.integers(len(others))]
    own = next((kind for ends, kind in _KINDS.items() if name.endswith(ends)), None)
    if own is not None and chance < 0.7:
        return own(content, random)
    return _bytes(content, random)


def _bytes(content: bytes, random: Random) -> bytes:
    """A few bits flipped, bytes set, a piece cut out, doubled or emptied, the end cut off, or junk after it."""
    if not content:
        return bytes(random.integers(0, 256, 100, np.uint8))
    made, size = bytearray(content), len(content)
    start = int(random.integers(size))
    end = min(size, start + int(2 ** random.uniform(0, 12)))
    way = random.integers(8)
    if way <= 1:
        for place in random.integers(0, size, 1 + int(2 ** random.uniform(0, 5))):
            made[place] ^= 1 << int(random.integers(8))
    elif way == 2:
        made[start:end] = random.integers(0, 256, end - start, np.uint8).tobytes()
    elif way == 3:
        del made[start:end]
    elif way == 4:
        made[start:start] = made[start:end]
    elif way == 5:
        made[start:end] = bytes([int(random.choice([0, 32, 255]))]) * (end - start)
    elif way == 6:
        del made[start:]
    else:
        made += random.integers(0, 256, end - start, np.uint8).tobytes()
    return bytes(made)


def _fits(content: bytes, random: Random) -> bytes:
    """Cards changed, doubled, taken out or put in, or numbers of the data."""
    starts = [k for k in range(0, len(content), BLOCK) if re.match(rb"SIMPLE  =|XTENSION=", content[k : k + 9])]
    if not starts or random.random() < 0.15:
        return _numbers(content, random)
    start = int(random.choice(starts))
    end = start
    while end < len(content) and b"END     " not in (content[end + k : end + k + 8] for k in range(0, BLOCK, CARD)):
        end += BLOCK
    end += BLOCK
    cards = [content[k : k + CARD] for k in range(start, min(end, len(content)), CARD)]
    cards = cards[: next((k for k, card in enumerate(cards) if card.startswith(b"END     ")), len(cards))]
    for _ in range(int(random.integers(1, 4))):
        _edit(cards, random)
    text = b"".join(cards) + (b"END" + b" " * 77 if random.random() < 0.98 else b"")
    return content[:start] + text + b" " * (-len(text) % BLOCK) + content[end:]


def _edit(cards: list[bytes], random: Random) -> None:
    place, way = int(random.integers(len(cards))), random.random()
    if way < 0.45:
        cards[place] = _card(cards[place][:8].decode("latin-1"), random)
    elif way < 0.85:
        cards.insert(int(random.integers(1, len(cards) + 1)), _card(str(random.choice(CARDS)), random))
    elif way < 0.9:
        cards.insert(place, cards[int(random.integers(len(cards)))])
    elif way < 0.97:
        del cards[place]
    else:
        cards.extend([cards[place]] * int(random.integers(1, 3000)))
    if not cards:
        cards.append(b" " * CARD)


def _card(key: str, random: Random) -> bytes:
    value = str(random.choice(WORDS)) if random.random() < 0.4 else repr(NUMBERS[random.integers(len(NUMBERS))])
    return f"{key:8.8}= {value.upper() if 'e' in value else value:>20}".encode("latin-1")[:CARD].ljust(CARD)


def _numbers(content: bytes, random: Random) -> bytes:
    """Some doubles of either byte order."""
    made = bytearray(content)
    order = "<" if random.random() < 0.3 else ">"
    first = int(random.integers(0, max(1, len(content) // 8)))
    for place in range(first, first + int(2 ** random.uniform(0, 8))):
        if 8 * place + 8 <= len(made):
            struct.pack_into(f"{order}d", made, 8 * place, FLOATS[random.integers(len(FLOATS))])
    return bytes(made)


def _gzipped(content: bytes, random: Random) -> bytes:
    try:
        plain = gzip.decompress(content)
    except Exception:  # spoiled before
        return _bytes(content, random)
    if random.random() < 0.05:
        return gzip.compress(plain + bytes(2**27), 1)
    return gzip.compress(_fits(plain, random), 1)


def _array(array: np.ndarray, random: Random) -> np.ndarray:
    """The array with other numbers, of another type or shape."""
    way = random.integers(9)
    if way <= 2:
        array = np.array(array, float if array.dtype.kind != "c" else complex)
        places = random.integers(0, max(1, array.size), int(2 ** random.uniform(0, 6)))
        array.flat[places[: array.size]] = FLOATS[random.integers(len(FLOATS))]
    elif way == 3:
        kinds = ["?", "i1", "u8", ">f4", "f2", "c16", "S3", "U2", "M8[s]", "m8[s]", ">i2", "g", "V4"]
        array = np.zeros(array.shape, str(random.choice(kinds)))
    elif way == 4:
        shape = array.shape
        shapes = [(), (0,), (1,), (0, 0), (1, 1), (3, 0, 2), shape[::-1], (*shape, 1), (1, *shape), (7, 5)]
        array = np.zeros(shapes[random.integers(len(shapes))])
    elif way == 5:
        array = np.full(array.shape, FLOATS[random.integers(len(FLOATS))])
    elif way == 6:
        array = np.zeros(array.shape, [("a", "f8"), ("b", "i4", (2,))])
    elif way == 7:
        array = array[..., : max(1, array.shape[-1] // 2)] if array.ndim else np.ones(3)
    else:
        array = array.T if array.ndim > 1 else np.array("text")
    return array


def _named(arrays: dict[str, np.ndarray], random: Random) -> dict[str, Any]:
    """Arrays, one of them spoiled, left out, doubled or under another name."""
    name = str(random.choice(sorted(arrays)))
    way = random.random()
    words = ["data", "noise", "psf", "mask", "sci", "ivm", "var", "u", "uv", "ps", "pixel_scale", "transform_pix2angle",
             "sign", "east", "origin", "shape", "flags", "ant1", "time", "background_rms", "exposure_time", "\x1b[31m",
             "x" * 300]  # fmt: skip
    if way < 0.6:
        return arrays | {name: _array(arrays[name], random)}
    if way < 0.7:
        return {key: value for key, value in arrays.items() if key != name}
    other = str(random.choice(words))
    return arrays | {other: _array(arrays[name], random) if random.random() < 0.6 else arrays[name]}


def _npz(content: bytes, random: Random) -> bytes:
    try:
        with np.load(io.BytesIO(content)) as file:
            arrays = _named({name: file[name] for name in file.files}, random)
    except Exception:  # spoiled before
        return _bytes(content, random)
    stream = io.BytesIO()
    squeeze = zipfile.ZIP_DEFLATED if random.random() < 0.3 else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", squeeze) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array))
            text = member.getvalue()
            if random.random() < 0.08:
                lies = ["(300000, 300000)", "(2**40,)", "(-1, 5)", "(10**30,)", "(0,)", "()", "(True,)"]
                shape = str(random.choice(lies))
                text = re.sub(rb"'shape': \([^)]*\)", f"'shape': {shape}".encode(), text, count=1)
            archive.writestr(f"{name}.npy", text)
    return stream.getvalue()


def _hdf5(content: bytes, random: Random) -> bytes:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            if any(file[name].id.get_storage_size() == 0 or file[name].nbytes > 10**6 for name in file):
                return _bytes(content, random)
            arrays = _named({name: file[name][()] for name in file}, random)
    except Exception:  # spoiled before
        return _bytes(content, random)
    stream = io.BytesIO()
    name = str(random.choice(sorted(arrays)))
    with h5py.File(stream, "w", libver=str(random.choice(["earliest", "latest"]))) as file:
        for key, array in arrays.items():
            if key != name or random.random() < 0.5:
                try:
                    file[key] = array
                except (TypeError, ValueError):
                    file[key] = np.asanyarray(array).astype("S")
            else:
                _STORED[random.integers(len(_STORED))](file, key, array)
    return stream.getvalue()


def _nested(file: Any, key: str, array: Any) -> None:
    group = file
    for _ in range(60):
        group = group.create_group("g")
    group[key] = array


def _loop(file: Any, key: str, array: Any) -> None:
    group = file.create_group("group")
    for number in range(3):
        group[f"again{number}"] = file["/"]
    file[key] = h5py.SoftLink(f"/{key}")
    group["out"] = h5py.ExternalLink("/dev/zero", "x")


def _virtual(file: Any, key: str, array: Any) -> None:
    layout = h5py.VirtualLayout((20, 20), "f8")
    layout[:] = h5py.VirtualSource("/dev/stdin", "x", (20, 20))
    file.create_virtual_dataset(key, layout)


_STORED: tuple[Callable[[Any, str, Any], Any], ...] = (
    lambda file, key, array: file.create_dataset(key, (20, 20), np.dtype(("f8", (1000, 1000))), chunks=(1, 1)),
    lambda file, key, array: file.create_dataset(key, (20000, 20000), "f8", chunks=(100, 100)),
    lambda file, key, array: file.create_dataset(key, (2800, 2800), "f8", fillvalue=1.0, chunks=(100, 100)),
    lambda file, key, array: file.create_dataset(key, (2**40, 2**20), "f8", chunks=(16, 16), compression="gzip"),
    lambda file, key, array: file.create_dataset(key, (20, 20), "f8", chunks=(8000, 8000), maxshape=(None, None)),
    lambda file, key, array: file.create_dataset(key, (20, 20), "f8", external=[("/dev/zero", 0, 2**40)]),
    lambda file, key, array: file.create_dataset(key, data=h5py.Empty("f8")),
    lambda file, key, array: file.create_dataset(key, (20, 20), h5py.string_dtype()),
    lambda file, key, array: file.create_dataset(key, (20, 20), h5py.vlen_dtype("f8")),
    lambda file, key, array: file.create_dataset(key, (20, 20), h5py.ref_dtype),
    lambda file, key, array: file.create_group(key),
    lambda file, key, array: file.create_dataset(key, np.shape(array), h5py.enum_dtype({"A": 1})),
    lambda file, key, array: file.__setitem__(key, np.dtype("f8")),
    _nested,
    _loop,
    _virtual,
)
"""Ways in which HDF5 can keep a dataset other than the plain one."""


def _strange(random: Random) -> Any:
    """A value of JSON or TOML."""
    deep: Any = 1
    for _ in range(int(random.integers(2, 300))):
        deep = [deep]
    values = [None, True, False, "", "text", "\x1b[2J\n", [], {}, [[1, 2], [3]], [1, 2], [0.1, "x"], [10**5, 10**5],
              [0, 0], [1e300, 1.0], 10**400, "x" * 5000, {"prior": "Uniform"}, deep, *NUMBERS, *FLOATS]  # fmt: skip
    return values[random.integers(len(values))]


def _json(content: bytes, random: Random) -> bytes:
    try:
        document = json.loads(content)
        text = json.dumps(_changed(document, random))
    except (ValueError, RecursionError):
        return _bytes(content, random)
    if random.random() < 0.05:
        text = text.replace("{", '{"pixel_scale": 1, "pixel_scale": 2, ', 1)
    return text.encode()


def _changed(value: Any, random: Random) -> Any:
    """The value with something strange at one place in it."""
    inside = isinstance(value, (dict, list)) and value and random.random() < 0.85
    if not inside:
        return _strange(random)
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[random.integers(len(keys))]
    if random.random() < 0.12:
        rest = [(k, value[k]) for k in keys if k != key]
        return dict(rest) if isinstance(value, dict) else [item for _, item in rest]
    if isinstance(value, dict) and random.random() < 0.06:
        return {("other" if k == key else k): item for k, item in value.items()}
    if isinstance(value, dict):
        return {k: _changed(item, random) if k == key else item for k, item in value.items()}
    return [_changed(item, random) if k == key else item for k, item in enumerate(value)]


def _toml(content: bytes, random: Random) -> bytes:
    lines = content.decode("utf-8", "replace").split("\n")
    for _ in range(1 + (random.random() < 0.3)):
        place, way = int(random.integers(len(lines))), random.random()
        if way < 0.7 and "=" in lines[place]:
            lines[place] = f"{lines[place].split('=')[0]}= {_toml_value(random)}"
        elif way < 0.8:
            del lines[place]
        elif way < 0.9:
            lines.insert(place, lines[random.integers(len(lines))])
        else:
            key = random.choice(["sky", "include", "a.b.c", "pixel_scale", "path", "e2"])
            lines.insert(place, f"{key} = {_toml_value(random)}")
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "replace")


def _toml_value(random: Random) -> str:
    words = [
        "nan", "inf", "-inf", "true", "2020-01-01", '"light.galaxy.e1"', '"mass.sie.e1"', '"solved"', '"/dev/zero"',
        '{prior = "Uniform", low = -1, high = 1}', '{prior = "Normal", mean = "sky", sigma = 0}', "{solved = true}",
        "[" * 400 + "]" * 400, "9" * 3000, "9" * 5000, "0x" + "f" * 3000, '"\\u0000"', "{fwhm = 0.1, size = 4}",
        "[[1], [2, 3]]", "{fwhm = 1e300, size = 99999999999}", "{fwhm = 0, size = 3}", '["a", "b"]',
        "[" + "1.0, " * 3000 + "]", ".".join(["a"] * 3000),
    ]  # fmt: skip
    if random.random() < 0.5:
        return str(random.choice(words))
    value = _strange(random)
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)[:2000]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**33)


_SPECIAL: tuple[Callable[[Path], None], ...] = (_pipe, _link_to_itself, _endless, _folder, _socket, _sparse)
"""What may stand at a path that is no file of the size that it seems."""
_KINDS: dict[str, Callable[[bytes, Random], bytes]] = {
    ".fits": _fits, ".fz": _fits, ".uvfits": _fits, ".gz": _gzipped, ".npz": _npz, ".h5": _hdf5, ".json": _json,
    ".toml": _toml,
}  # fmt: skip
