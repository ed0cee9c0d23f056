"""The report as PDF: the page as it prints, set by WeasyPrint instead of a browser."""

from __future__ import annotations


def report_pdf(html: str) -> bytes:
    """A report (`report_html` without viewer) as PDF, by the page's own rules for print. Nothing is fetched.

    Parameters
    ----------
    html : with its pictures inside; whatever lies outside the page is left out.
    """
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    return HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=("data",))).write_pdf()
