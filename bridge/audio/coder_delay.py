"""How late lossy coders start, where the file does not say so.

A transform coder starts with samples that were never in the recording: at least the overlap of its first window. Most
files state how many (LAME tag, MP4 edit list, Matroska codec delay, Opus pre-skip) and libav removes them; this module
knows what to remove from the others, so that an onset is where it was before coding.
"""

from __future__ import annotations

#: Samples that a decoder of MPEG-1/2/2.5 layer III itself adds (LAME technical FAQ: 528 + 1).
_MP3_DECODER = 529
#: What LAME, by far the most used encoder, adds before that. Others lie within 48 (ISO, Shine: 528) to 584 (FhG: 1160).
_MP3_ENCODER = 576
#: The polyphase filter banks of layers I and II: 512 taps less the hop of 32, and one (measured, at any rate).
_MP2 = 481
#: Overlap of the first MDCT window (ISO 14496-3). The core of HE-AAC runs at half the rate: twice as many.
_AAC = 1024
#: The same for AC-3 and E-AC-3 (ATSC A/52).
_AC3 = 256


def unstated_delay(codec: str, stated: int, frame_samples: int) -> int:
    """Samples to drop at the start beyond those that libav drops by itself.

    Parameters
    ----------
    codec
        libav's canonical name of the decoder.
    stated
        Samples that the file asks to skip, 0 where it says nothing.
    frame_samples
        Length of the first decoded frame.
    """
    if codec == "mp3":
        # A tag that counts only the decoder's part comes from an encoder that left its own field empty.
        return 0 if stated > _MP3_DECODER else _MP3_DECODER + _MP3_ENCODER - stated
    if stated:
        return 0
    if codec == "aac":
        return max(_AAC, frame_samples)
    return {"mp1": _MP2, "mp2": _MP2, "ac3": _AC3, "eac3": _AC3}.get(codec, 0)


def wma_delay(encoder: str, libav_skip: int) -> int:
    """Samples to drop from a WMA 1 or 2 file.

    libav always drops two frames, `libav_skip` samples, which fits Microsoft's encoder. Its own encoder, named in the
    file as ``Lavf...``, adds only one: dropping two would cut off the first 46 ms of the recording.
    """
    return libav_skip // 2 if encoder.startswith("Lavf") else libav_skip
