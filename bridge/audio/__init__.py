"""Audio files in and out, in blocks: decoding, resampling, stems that sum to their source."""
