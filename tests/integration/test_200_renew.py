"""Renewal, re-issue, adoption: what happens to a certificate after it was issued.

(being written)
"""
