"""A folder of mixed samples: two tables, and the audio as FLAC in tar shards, unless it is mixed on the fly.

    utterances.parquet      Utterances of the split "train" with their lineage: parent_first, parent_second,
                            neighbour_rank, mixing_weight, mixed_class, transcript_of
    distributions.parquet   their Distributions
    audio-00000.tar ...     <utterance_id>.flac, 16 kHz, 16 bits

Mixing on the fly gives the same bits as stored audio; ``waveforms`` reads both.
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

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import clips
from ambivox.models.audio.decoding import RATE_HZ, decode_many
from ambivox.models.augmentation.dime_aug import Lineage, mix
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.progress import track
from ambivox.models.step_figures import read_step_figures
from ambivox.models.tables import Distributions, Utterances

SUMMARY = "augmentation.json"
ON_THE_FLY = "mixed on the fly"  # in the column ``audio``
_MIXING_VERSION = "1"  # part of every audio hash: raise it when a bit of the mixture changes
_SHARD_SAMPLES = 1_000


def sample_table(parents: Utterances, lineage: Lineage, match_loudness: bool) -> Utterances:
    """The table of mixed samples, before their audio is written.

    Args:
        parents: the utterances that ``lineage`` counts its rows in.
        lineage: parents and weights of S samples.
        match_loudness: whether the audio is mixed at equal loudness.

    Returns:
        S utterances. ``audio_sha256`` is a hash of what determines the audio: the parents' hashes, the weight and the
        options.
    """
    frame = parents.frame
    first, second = frame[lineage.first_S], frame[lineage.second_S]
    labels = np.array(parents.labels)
    pairs = zip(first["audio_sha256"], second["audio_sha256"], lineage.weight_S.tolist(), strict=True)
    hashes = [
        hashlib.sha256(
            f"{_MIXING_VERSION} {sha1} {sha2} {weight.hex()} {match_loudness}".encode()
        ).hexdigest()
        for sha1, sha2, weight in pairs
    ]
    transcribed = frame[lineage.transcript_rows()]
    table = pl.DataFrame(
        {
            "utterance_id": [f"mixed-{row:06d}" for row in range(len(lineage))],
            "corpus": first["corpus"],
            "audio": pl.Series([ON_THE_FLY] * len(lineage), dtype=pl.String),
            "audio_sha256": pl.Series(hashes, dtype=pl.String),
            "duration_seconds": pl.Series(np.minimum(first["duration_seconds"], second["duration_seconds"])),
            "sample_rate_hz": pl.Series([RATE_HZ] * len(lineage), dtype=pl.Int64),
            "split": pl.Series(["train"] * len(lineage), dtype=pl.String),
            "transcript": transcribed["transcript"],
            "language": transcribed["language"],
            "transcript_of": transcribed["utterance_id"],
            "parent_first": first["utterance_id"],
            "parent_second": second["utterance_id"],
            "neighbour_rank": lineage.rank_S,
            "mixing_weight": lineage.weight_S,
            "mixed_class": pl.Series(labels[lineage.class_S], dtype=pl.String),
            "match_loudness": pl.Series([match_loudness] * len(lineage), dtype=pl.Boolean),
        }
    )
    return Utterances.check(table, parents.labels)


def mixtures(samples: Utterances, parents: Utterances) -> Iterator[tuple[str, NDArray[np.int16], bool]]:
    """Mix the audio of all samples.

    Args:
        samples: the table of ``sample_table``.
        parents: a table with all parents.

    Yields:
        Per sample, in the table's order: its id, its 16-bit audio at 16 kHz, and whether it was scaled down.

    Raises:
        UserError: a parent is not in ``parents``.
        AudioError: its audio cannot be decoded.
    """
    audio = dict(zip(parents.frame["utterance_id"], clips(parents.frame), strict=True))
    pairs = samples.frame.select("parent_first", "parent_second").rows()
    absent = [parent for pair in pairs for parent in pair if parent not in audio]
    if absent:
        raise UserError(
            f"found {len(absent)} parents of augmented samples that are not in the table of utterances, the first is "
            f"{absent[0]!r}; run augment again"
        )
    decoded = decode_many([audio[parent] for pair in pairs for parent in pair], RATE_HZ)
    columns = samples.frame.select("utterance_id", "mixing_weight", "match_loudness")
    for utterance_id, weight, match_loudness in columns.iter_rows():
        (_, first), (_, second) = next(decoded), next(decoded)
        for parent in (first, second):
            if isinstance(parent, AudioError):
                raise parent
        assert not isinstance(first, AudioError) and not isinstance(second, AudioError)
        yield (utterance_id, *mix(first, second, weight, match_loudness))


def write_audio(samples: Utterances, parents: Utterances, folder: Path) -> tuple[Utterances, int]:
    """Mix all samples and write the shards. Equal samples give equal bytes.

    Args:
        samples: the table of ``sample_table``.
        parents: a table with all parents.
        folder: where to write the shards.

    Returns:
        The table with ``audio`` and ``duration_seconds`` of the files, and the number of samples scaled down.

    Raises:
        UserError: a parent is not in ``parents``.
        AudioError: its audio cannot be decoded.
    """
    names, seconds, scaled_count = [], [], 0
    mixed = track(mixtures(samples, parents), "Mixing", len(samples))
    for shard, start in enumerate(range(0, len(samples), _SHARD_SAMPLES)):
        shard_name = f"audio-{shard:05d}.tar"
        with (
            atomic_path(folder / shard_name) as temporary,
            tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for _ in range(min(_SHARD_SAMPLES, len(samples) - start)):
                utterance_id, audio_16bit, is_scaled = next(mixed)
                content = _flac(audio_16bit)
                member = tarfile.TarInfo(f"{utterance_id}.flac")  # without time, owner and mode
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
                names.append(f"{shard_name}/{member.name}")
                seconds.append(len(audio_16bit) / RATE_HZ)
                scaled_count += is_scaled
    frame = samples.frame.with_columns(
        audio=pl.Series(names, dtype=pl.String), duration_seconds=pl.Series(seconds, dtype=pl.Float64)
    )
    return Utterances.check(frame, samples.labels), scaled_count


def read(folder: Path) -> tuple[Utterances, Distributions]:
    """Read the two tables of a folder that ``augment`` wrote.

    Raises:
        UserError: A file of the folder is damaged.
    """
    if (folder / SUMMARY).is_file():
        read_step_figures(folder / SUMMARY)
    return Utterances.read(folder / "utterances.parquet"), Distributions.read(
        folder / "distributions.parquet"
    )


def waveforms(
    samples: Utterances, parents: Utterances, folder: Path
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The audio of all samples, read from the shards or mixed on the fly.

    Args:
        samples: the table that ``read`` returns, or some of its rows.
        parents: a table with all parents; needed only for mixing on the fly.
        folder: where the shards are.

    Yields:
        Per sample, in the table's order: its id and its audio, float32 at 16 kHz.
    """
    if not len(samples):
        return
    if (samples.frame["audio"] == ON_THE_FLY).all():
        for utterance_id, audio_16bit, _ in mixtures(samples, parents):
            yield utterance_id, audio_16bit.astype(np.float32) / np.float32(32768)
        return
    import soundfile

    members = samples.frame.select(
        "utterance_id", pl.col("audio").str.split_exact("/", 1).struct.rename_fields(["shard", "member"])
    ).unnest("audio")
    for (shard,), rows in members.group_by("shard", maintain_order=True):
        with tarfile.open(folder / str(shard), "r:") as tar:
            for utterance_id, member in rows.select("utterance_id", "member").iter_rows():
                content: IO[bytes] | None = tar.extractfile(member)
                assert content is not None
                yield utterance_id, soundfile.read(content, dtype="float32")[0]


def _flac(audio_16bit: NDArray[np.int16]) -> bytes:
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, audio_16bit, RATE_HZ, format="FLAC", subtype="PCM_16")
    return content.getvalue()
