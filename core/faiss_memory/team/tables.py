"""The tables of a team, in SQL that SQLite and PostgreSQL both take. Times are microseconds since 1970."""

from __future__ import annotations

TEAM_TABLES = """
create table if not exists $.team_member (name text primary key, created bigint not null);
create table if not exists $.team_token (
    hash text primary key, id text not null, member text not null, created bigint not null, expires bigint,
    revoked bigint
);
create table if not exists $.team_grant (
    member text not null, project text not null, can text not null, primary key (member, project)
);
create table if not exists $.team_subject (subject text primary key, member text not null);
create table if not exists $.team_log (
    id text primary key, at bigint not null, actor text not null, action text not null, projects text not null,
    ids text not null, count bigint not null, about text not null, refused int not null
);
"""
"""Statements that make them where they are not there. (A change here is a migration of every place that has them.)"""
