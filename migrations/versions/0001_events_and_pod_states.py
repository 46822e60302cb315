"""Events, pod states, the triggers that keep events as they are, and the views for people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TRIGGERS = {
    "events_no_update": """
        CREATE TRIGGER events_no_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
    "events_no_delete": """
        CREATE TRIGGER events_no_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
}

VIEWS = {
    "pods": """
        CREATE VIEW pods AS
        SELECT uid, namespace, name, phase,
               json_extract(state, '$.reason') AS reason,
               json_extract(state, '$.message') AS message,
               nullif(job_id, '') AS job_id,
               json_extract(state, '$.job_name') AS job_name,
               json_extract(state, '$.slurm_state') AS slurm_state,
               json_extract(state, '$.nodes') AS nodes,
               json_extract(state, '$.exit_code') AS exit_code,
               json_extract(state, '$.signal') AS signal,
               json_array_length(state, '$.containers') AS container_count,
               json_extract(state, '$.requested_cpus') AS requested_cpus,
               json_extract(state, '$.requested_memory_bytes') / 1048576 AS requested_memory_mib,
               json_extract(state, '$.requested_gpus') AS requested_gpus,
               accepted_at,
               json_extract(state, '$.submitted_at') AS submitted_at,
               json_extract(state, '$.started_at') AS started_at,
               json_extract(state, '$.finished_at') AS finished_at,
               json_extract(state, '$.deletion_requested_at') AS deletion_requested_at
        FROM pod_states
    """,
    "pod_history": """
        CREATE VIEW pod_history AS
        SELECT e.pod_uid, p.namespace, p.name, e.version, e.occurred_at, e.recorded_at, e.source, e.kind, e.data
        FROM events e JOIN pod_states p ON p.uid = e.pod_uid
    """,
    "containers": """
        CREATE VIEW containers AS
        SELECT p.uid AS pod_uid, p.namespace, p.name AS pod_name,
               json_extract(c.value, '$.name') AS container,
               json_extract(c.value, '$.role') AS role,
               json_extract(c.value, '$.image') AS image,
               json_extract(c.value, '$.status') AS status,
               coalesce(nullif(json_extract(c.value, '$.reason'), ''),
                        json_extract(c.value, '$.termination.reason')) AS reason,
               coalesce(nullif(json_extract(c.value, '$.message'), ''),
                        json_extract(c.value, '$.termination.message')) AS message,
               json_extract(c.value, '$.attempt') AS restart_count,
               json_extract(c.value, '$.termination.exit_code') AS exit_code,
               json_extract(c.value, '$.started_at') AS started_at,
               json_extract(c.value, '$.termination.finished_at') AS finished_at,
               round((julianday(json_extract(c.value, '$.termination.finished_at'))
                      - julianday(json_extract(c.value, '$.started_at'))) * 86400, 3) AS run_seconds
        FROM pod_states p, json_each(p.state, '$.containers') c
    """,
    "jobs": """
        CREATE VIEW jobs AS
        SELECT job_id, uid AS pod_uid, namespace, name AS pod_name, phase,
               json_extract(state, '$.slurm_state') AS slurm_state, json_extract(state, '$.reason') AS reason,
               json_extract(state, '$.job_name') AS job_name, json_extract(state, '$.nodes') AS nodes,
               nullif(json_extract(state, '$.usage.partition'), '') AS partition,
               nullif(json_extract(state, '$.usage.account'), '') AS account,
               json_extract(state, '$.exit_code') AS exit_code, json_extract(state, '$.signal') AS signal,
               json_extract(state, '$.submitted_at') AS submitted_at,
               json_extract(state, '$.started_at') AS started_at,
               json_extract(state, '$.finished_at') AS finished_at,
               round((julianday(json_extract(state, '$.started_at'))
                      - julianday(json_extract(state, '$.submitted_at'))) * 86400, 3)
                   AS queue_wait_seconds,
               coalesce(json_extract(state, '$.usage.elapsed_seconds'),
                        round((julianday(json_extract(state, '$.finished_at'))
                               - julianday(json_extract(state, '$.started_at'))) * 86400, 3)) AS run_seconds,
               json_extract(state, '$.requested_cpus') AS requested_cpus,
               json_extract(state, '$.usage.allocated_cpus') AS allocated_cpus,
               json_extract(state, '$.usage.cpu_seconds') AS used_cpu_seconds,
               json_extract(state, '$.requested_memory_bytes') / 1048576 AS requested_memory_mib,
               json_extract(state, '$.usage.max_rss_bytes') / 1048576.0 AS max_rss_mib,
               json_extract(state, '$.requested_gpus') AS requested_gpus
        FROM pod_states WHERE job_id <> ''
    """,
    "daily_usage": """
        CREATE VIEW daily_usage AS
        SELECT substr(started_at, 1, 10) AS day, namespace, count(*) AS jobs,
               sum(phase = 'Done') AS done, sum(phase = 'Failed') AS failed, sum(phase = 'Cancelled') AS cancelled,
               round(sum(run_seconds * coalesce(allocated_cpus, requested_cpus)) / 3600.0, 3) AS allocated_core_hours,
               round(sum(used_cpu_seconds) / 3600.0, 3) AS used_core_hours,
               round(sum(run_seconds * requested_gpus) / 3600.0, 3) AS gpu_hours,
               round(avg(queue_wait_seconds), 3) AS mean_queue_wait_seconds,
               round(max(max_rss_mib), 1) AS largest_max_rss_mib
        FROM jobs WHERE started_at IS NOT NULL
        GROUP BY day, namespace
    """,
}


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("pod_uid", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.String(27), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("pod_uid", "version"),
    )
    op.create_table(
        "pod_states",
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("accepted_at", sa.String(27), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("ix_pod_states_open", "pod_states", ["is_open"], sqlite_where=sa.text("is_open = 1"))
    op.create_index("ix_pod_states_name", "pod_states", ["name", "namespace"])
    op.create_index("ix_pod_states_job_id", "pod_states", ["job_id"])
    for definition in (*TRIGGERS.values(), *VIEWS.values()):
        op.execute(definition)


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("pod_states")
    op.drop_table("events")
