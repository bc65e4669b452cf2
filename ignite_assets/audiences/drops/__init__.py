"""Files of opt-outs as people have them, read in stages. Imports no Dagster.

`decoding` turns bytes into text or a workbook; `rows`, `tables`, `documents` and `workbooks` turn that into rows of
named columns; `survey` decides, by `columns` and `statuses`, which columns name the person and which rows say
*subscribed*; `addresses` finds the addresses of a cell; `reading` gives each of them a verdict. `digests` reads lists
of hashes.

Every row knows its place: the line of a text, the entry of a JSON array, the row of a sheet. No message quotes a
value.
"""
