"""The program ``regional-brain-age``: its command line joins the commands of both libraries."""
