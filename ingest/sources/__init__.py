"""Sources: a folder, a bucket or pages that a knowledge base is kept in step with.

    address -> listing -> diff with what was seen before -> received like any upload | deleted

`sync.py` is the one way through; `folder.py`, `bucket.py` and `web.py` are the stores; `hosts.py` and `fetch.py` decide
what may be asked over the network.
"""
