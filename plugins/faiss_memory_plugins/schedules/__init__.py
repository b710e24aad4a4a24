"""Schedules: jobs of the host and of plugins, done at the times that cron expressions say.

`times` reads the expressions, `entries` keeps what is scheduled, `keeper` keeps the time, one job after the other.
"""
