"""Ingest: folders of notes, documents and source code become memories, and follow their files from then on.

A build lists the files of its sources (`sources`, `listing`, `ignoring`), reads them (`reading`), cuts them into parts
(`documents`, `markdown`, `underlined`, `code`, `cutting`), compares these with what an earlier build made of them
(`planning`), and stores what is new (`build`). `builds` knows which builds run; `plugin` joins it to the service.
"""
