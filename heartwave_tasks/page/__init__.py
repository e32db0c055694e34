"""The HeartWave page: what people see of recordings, beats and models, and the HTTP API beside it.

A plain FastAPI application that knows nothing of Airflow: who is asking is told by a dependency that it is given.
"""
