"""A folder of augmented samples: two tables, and the mixed audio once, as FLAC in tar shards, or not at all.

    utterances.parquet      Utterances of the split "train", and where each came from: parent_first,
                            parent_second, neighbour_rank, mixing_weight, mixed_class, transcript_of
    distributions.parquet   their Distributions
    audio-00000.tar ...     <utterance_id>.flac, 16 kHz, 16 bits (absent when mixed on the fly)

Mixing on the fly gives the same bits as the stored audio: ``waveforms`` reads either.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.audio.decoding import RATE_HZ, AudioError, decode_many
from ambivox.models.augmentation.dime_aug import Lineage, mix
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.progress import track
from ambivox.models.tables import Distributions, Utterances

ON_THE_FLY = "mixed on the fly"
_RECIPE_VERSION = "1"
_SHARD_SAMPLES = 1_000


def samples_table(parents: Utterances, lineage: Lineage, match_loudness: bool) -> Utterances:
    """One row a new sample, with its parents' ids, ranks and weights; its audio is still to be written.

    ``audio_sha256`` is the hash of what determines the audio: the parents' hashes, the weight and the options.
    """
    frame = parents.frame
    first, second = frame[lineage.first_S], frame[lineage.second_S]
    labels = np.array(parents.labels)
    weights = lineage.weight_S.tolist()
    hashes = [
        hashlib.sha256(f"{_RECIPE_VERSION} {one} {two} {weight.hex()} {match_loudness}".encode()).hexdigest()
        for one, two, weight in zip(first["audio_sha256"], second["audio_sha256"], weights, strict=True)
    ]
    spoken = frame[lineage.speaking_rows()]
    table = pl.DataFrame(
        {
            "utterance_id": [f"mixed-{row:06d}" for row in range(len(lineage))],
            "corpus": first["corpus"],
            "audio": pl.Series([ON_THE_FLY] * len(lineage), dtype=pl.String),
            "audio_sha256": pl.Series(hashes, dtype=pl.String),
            "duration_seconds": pl.Series(np.minimum(first["duration_seconds"], second["duration_seconds"])),
            "sample_rate_hz": pl.Series([RATE_HZ] * len(lineage), dtype=pl.Int64),
            "split": pl.Series(["train"] * len(lineage), dtype=pl.String),
            "transcript": spoken["transcript"],
            "language": spoken["language"],
            "transcript_of": spoken["utterance_id"],
            "parent_first": first["utterance_id"],
            "parent_second": second["utterance_id"],
            "neighbour_rank": lineage.rank_S,
            "mixing_weight": lineage.weight_S,
            "mixed_class": pl.Series(labels[lineage.class_S], dtype=pl.String),
            "match_loudness": pl.Series([match_loudness] * len(lineage), dtype=pl.Boolean),
        }
    )
    return Utterances.check(table, parents.labels)


def mixed(samples: Utterances, parents: Utterances) -> Iterator[tuple[str, NDArray[np.int16], bool]]:
    """Each sample's id, its 16-bit audio at 16 kHz, and whether it was scaled down, in the table's order.

    Raises:
        UserError: a parent is not among ``parents``, or its audio cannot be read.
    """
    audio = dict(parents.frame.select("utterance_id", "audio").iter_rows())
    pairs = samples.frame.select("parent_first", "parent_second").rows()
    absent = [parent for pair in pairs for parent in pair if parent not in audio]
    if absent:
        raise UserError(
            f"augmented samples name {len(absent)} parents that are not in the table of utterances, the first is {absent[0]!r}"
        )
    heard = decode_many([audio[parent] for pair in pairs for parent in pair], RATE_HZ)
    columns = samples.frame.select("utterance_id", "mixing_weight", "match_loudness")
    for utterance_id, weight, match_loudness in columns.iter_rows():
        (_, first), (_, second) = next(heard), next(heard)
        for parent in (first, second):
            if isinstance(parent, AudioError):
                raise parent
        assert not isinstance(first, AudioError) and not isinstance(second, AudioError)
        yield (utterance_id, *mix(first, second, weight, match_loudness))


def write_audio(samples: Utterances, parents: Utterances, folder: Path) -> tuple[Utterances, int]:
    """Mix every sample and write the shards; the table with its ``audio`` filled in, and how many were scaled.

    Equal samples give equal bytes: members carry no time, owner or mode of the machine.
    """
    names, scaled_count, seconds = [], 0, []
    made = track(mixed(samples, parents), "Mixing", len(samples))
    for shard, start in enumerate(range(0, len(samples), _SHARD_SAMPLES)):
        count = min(_SHARD_SAMPLES, len(samples) - start)
        shard_name = f"audio-{shard:05d}.tar"
        with (
            atomic_path(folder / shard_name) as temporary,
            tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for _ in range(count):
                utterance_id, samples_16bit, scaled = next(made)
                content = _flac(samples_16bit)
                member = tarfile.TarInfo(f"{utterance_id}.flac")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
                names.append(f"{shard_name}/{member.name}")
                seconds.append(len(samples_16bit) / RATE_HZ)
                scaled_count += scaled
    frame = samples.frame.with_columns(
        audio=pl.Series(names, dtype=pl.String), duration_seconds=pl.Series(seconds, dtype=pl.Float64)
    )
    return Utterances.check(frame, samples.labels), scaled_count


def read(folder: Path) -> tuple[Utterances, Distributions]:
    """The two tables of a folder that ``augment`` made."""
    return Utterances.read(folder / "utterances.parquet"), Distributions.read(
        folder / "distributions.parquet"
    )


def waveforms(
    samples: Utterances, parents: Utterances, folder: Path
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Each sample's id and audio (float32, 16 kHz), in the table's order: from the shards, or mixed now."""
    if not len(samples):
        return
    if (samples.frame["audio"] == ON_THE_FLY).all():
        for utterance_id, samples_16bit, _ in mixed(samples, parents):
            yield utterance_id, samples_16bit.astype(np.float32) / np.float32(32768)
        return
    import soundfile

    place = samples.frame.select(
        "utterance_id", pl.col("audio").str.split_exact("/", 1).struct.rename_fields(["shard", "member"])
    ).unnest("audio")
    for (shard,), rows in place.group_by("shard", maintain_order=True):
        with tarfile.open(folder / str(shard), "r:") as tar:
            for utterance_id, member in rows.select("utterance_id", "member").iter_rows():
                content: IO[bytes] | None = tar.extractfile(member)
                assert content is not None
                yield utterance_id, soundfile.read(content, dtype="float32")[0]


def _flac(samples_16bit: NDArray[np.int16]) -> bytes:
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples_16bit, RATE_HZ, format="FLAC", subtype="PCM_16")
    return content.getvalue()
