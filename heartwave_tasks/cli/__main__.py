"""Lets ``python -m heartwave_tasks.cli`` be the command where it is not installed."""

from heartwave_tasks.cli.app import main

main()
