"""Training of the kit engine's network (`bridge.drums.kit_engine`) from rendered drums: ``python -m tools.train``."""
