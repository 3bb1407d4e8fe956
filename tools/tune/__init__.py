"""Recordings with exact truth to choose the pitched parts' parameters on, and the choosing."""
