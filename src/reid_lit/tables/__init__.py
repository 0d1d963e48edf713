"""The tables of the papers: as files, as jobs, as reports."""
