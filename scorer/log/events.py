"""Every event that can be logged: its stable id, level and sentence, what it means and what to type.

Levels: DEBUG each step, INFO (where none is named) once a run, WARNING look this week, ERROR look now. A quiet night has no warning: what
mends itself is INFO, and every warning and error says what to do. The meaning and the action may name a field of the event as
@RUN_ID@; journalctl fills it in. An id is made once (`python -c 'import uuid; print(uuid.uuid4().hex)'`) and never changed or used again.

systemd/scorer.catalog is made from here: `SCORER_WRITE_CATALOG=1 pytest tests/unit/log/test_events.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """An event that can be logged.

    An indented line of `meaning` or `action` is a command, to be typed as it stands.
    """

    name: str
    message_id: str
    sentence: str
    meaning: str
    level: int = logging.INFO
    action: str | None = None


# The command line and the process

REFUSED = Event(
    name="REFUSED",
    level=logging.ERROR,
    message_id="0fa975919c4243728b40a4ac5a40d773",
    sentence="Stopped: something must be mended first",
    meaning="A command of scorer found something that an operator can mend, and did nothing further. The field ERROR says in one "
    "sentence what is wrong, where, and what to do.",
    action="Do what the sentence says, then see whether all holds that must:\n    scorer check",
)
BUG = Event(
    name="BUG",
    level=logging.CRITICAL,
    message_id="4baf4617ae254e0d99b2d699415fc718",
    sentence="This is a bug in scorer",
    meaning="Something happened that scorer was not written for. What was not committed is rolled back. The lines of the message say "
    "where it happened; texts that could quote a patient's values are left out of them.",
    action="Keep the whole message and report it with its version:\n    journalctl -u 'scorer*' -o verbose MESSAGE_ID=@MESSAGE_ID@\n"
    "If the service does not come back by itself:\n    systemctl status scorer",
)
EMBEDDED_STARTED = Event(
    name="EMBEDDED_STARTED",
    message_id="2c9e13e82a274ca68d07246179a194c0",
    sentence="Embedded PostgreSQL started",
    meaning="The PostgreSQL server that scorer brings along was started; its data are in @FOLDER@. It is for trying out, not for a "
    "hospital's data.",
)
EMBEDDED_STOPPED = Event(
    name="EMBEDDED_STOPPED",
    message_id="b84bf5b1cfe94a4085e775c768deabb6",
    sentence="Embedded PostgreSQL stopped",
    meaning="The PostgreSQL server that scorer brings along was stopped; its data in @FOLDER@ are kept.",
)
FIRST_MODEL = Event(
    name="FIRST_MODEL",
    message_id="a459918f29dd4201b6c568e4afc7d435",
    sentence="First model put into production",
    meaning="Job @JOB@ had no model in production, so the one shipped with it, @MODEL_VERSION@, now is.",
)
MODEL_ADOPTED = Event(
    name="MODEL_ADOPTED",
    message_id="90ba0c457cc84ab18dd09abbc0657f9d",
    sentence="Model in production has changed: scoring with it from this batch on",
    meaning="While run @RUN_ID@ of job @JOB@ was under way, somebody put model @MODEL_VERSION@ into production. The batches before were "
    "scored with the one that was there, the batches from here on with this one; each row of the ledger says which.",
    action="See who did it, when and why:\n    scorer model show @JOB@ @MODEL_VERSION@",
)

# Runs

RUN_BEGAN = Event(
    name="RUN_BEGAN",
    message_id="0380e0e68d9941d99d40e826f04b19df",
    sentence="Run began",
    meaning="Run @RUN_ID@ of job @JOB@ found @ELIGIBLE@ entities due, as of @AS_OF@, and scores them now.",
)
RUN_SUCCEEDED = Event(
    name="RUN_SUCCEEDED",
    message_id="9859ce630e644bf2bbe93c6ad0217a34",
    sentence="Run succeeded",
    meaning="Run @RUN_ID@ of job @JOB@ accounted for each of the @ELIGIBLE@ entities that were due: scored @SCORED@, unchanged "
    "@UNCHANGED@, quarantined @QUARANTINED@, insufficient @INSUFFICIENT@, indeterminate @INDETERMINATE@, failed @FAILED@.",
)
RUN_FAILED = Event(
    name="RUN_FAILED",
    level=logging.ERROR,
    message_id="5c2064fdbba94feb8c2d3049371885bf",
    sentence="Run failed",
    meaning="Run @RUN_ID@ of job @JOB@ stopped; the field ERROR says why. Batches that it had committed stay, the one in hand was "
    "rolled back, and what was not scored is due again at the next run. Scores that stood before stay until they expire.",
    action="Mend what the sentence names. See all that must hold, and all that this run said:\n    scorer check\n"
    "    journalctl -x RUN_ID=@RUN_ID@ JOB=@JOB@\nThen run the job by hand rather than wait for the next tick:\n"
    "    scorer run @JOB@",
)
RUN_RESUMED = Event(
    name="RUN_RESUMED",
    message_id="d497f36f129449d9a5a442700696daec",
    sentence="Going on with a run whose process died",
    meaning="The process that carried run @RUN_ID@ of job @JOB@ ended before the run did: it was stopped, or killed, or its machine "
    "went down. Nothing of the run is lost or doubled; this process carries what is left of it.",
    action="Nothing, after a restart or an update. Where nobody restarted it, see what ended it:\n"
    "    journalctl -u 'scorer*' -p warning --since -1d",
)
RUN_LEFT = Event(
    name="RUN_LEFT",
    level=logging.INFO,
    message_id="3ef11a8d4b8a42dea9a73e14c82652bd",
    sentence="Run left to be gone on with",
    meaning="Run @RUN_ID@ of job @JOB@ stopped between two batches: its process was asked to stop, or the database cannot be worked "
    "with, as another line says then. Its row still says running; the next process that keeps the job goes on with it.",
)
BATCH_COMMITTED = Event(
    name="BATCH_COMMITTED",
    level=logging.DEBUG,
    message_id="edb579baad844409b4ab03644c74f976",
    sentence="Batch committed",
    meaning="Batch @BATCH@ of run @RUN_ID@ committed its scores, its quarantine and its counts together.",
)
WRITE_BACK_HELD = Event(
    name="WRITE_BACK_HELD",
    message_id="99eee616e41242758b4b175899d9a70b",
    sentence="Rows that others hold are written back later",
    meaning="@ROWS@ rows of the hospital's own table were held by other sessions, so job @JOB@ did not wait for them. Their scores "
    "stand in reporting.current_scores; the rows are written back by the daemon, or by a later run, once they are free.",
)
WRITE_BACKS_WAIT = Event(
    name="WRITE_BACKS_WAIT",
    level=logging.WARNING,
    message_id="35e4719059114d92b8c4ba57fcd8b09d",
    sentence="Scores have waited for long to be written into the hospital's table",
    meaning="@ROWS@ rows of the hospital's own table have waited to be written for job @JOB@, the oldest for @SECONDS@ s; the field REASON "
    "says why. They show an earlier score, or none. What is in reporting is right. They are tried every few seconds. Told once, until it "
    "is over.",
    action="See how many wait, and which sessions hold rows, and have these commit or end (SELECT pg_terminate_backend of the pid):\n"
    "    scorer status\n"
    '    psql "$(scorer db url)" -c "SELECT pid, application_name, state, xact_start FROM pg_stat_activity ORDER BY xact_start"',
)
WRITE_BACKS_NOT_TAKEN = Event(
    name="WRITE_BACKS_NOT_TAKEN",
    level=logging.WARNING,
    message_id="e32d987f9a8e4632abca7168fdebb125",
    sentence="The hospital's table takes no score, and no lock explains it",
    meaning="@ROWS@ rows of the hospital's own table have waited to be written for job @JOB@, the oldest for @SECONDS@ s. No session holds "
    "them: the statement write_back ran, and the table did not take them. A trigger there that returns NULL for our user, a rule, or a "
    "policy of row-level security may do that. They show an earlier score, or none. What is in reporting is right. Told once, until it is "
    "over.",
    action="See how many wait, then ask the table's owner for its triggers, rules and policies:\n    scorer status\n"
    '    psql "$(scorer db url)" -c "SELECT tgrelid::regclass, tgname, tgfoid::regproc FROM pg_trigger WHERE NOT tgisinternal"',
)
TAKE_BACKS_WAIT = Event(
    name="TAKE_BACKS_WAIT",
    level=logging.ERROR,
    message_id="43a1cf4dd8ad4a27bf8f84aab43cfa3c",
    sentence="Recalled scores still stand in the hospital's table",
    meaning="@ROWS@ rows of the hospital's own table may show a recalled score of job @JOB@, the oldest for @SECONDS@ s; the field REASON "
    "says why it could not be taken out. They are tried every few seconds. Told once, until it is over.",
    action="See how many wait; have the sessions that hold rows commit or end, or ask the table's owner for its triggers:\n"
    "    scorer status\n"
    '    psql "$(scorer db url)" -c "SELECT pid, application_name, state, xact_start FROM pg_stat_activity ORDER BY xact_start"',
)
WRITE_BACKS_DONE = Event(
    name="WRITE_BACKS_DONE",
    message_id="07777b13b6254a0688f21a97a878a644",
    sentence="No score waits any more to be written into the hospital's table",
    meaning="What waited to be written into the hospital's own table for job @JOB@, or taken out of it, is done.",
)
WRITE_BACKS_EXPIRED = Event(
    name="WRITE_BACKS_EXPIRED",
    level=logging.WARNING,
    message_id="41022590b3804624b656e1b7687c3a97",
    sentence="Scores became stale before they could be written into the hospital's table",
    meaning="@ROWS@ scores of job @JOB@ waited until they were stale, since rows were held or the table took none, and are not written any "
    "more. The hospital's table keeps for them what stood there before; its scored_at says from when that is.",
    action="See which sessions hold rows for so long, or which triggers the table has, and score what is due now:\n    scorer status\n"
    "    scorer run @JOB@",
)
SCORES_WITHDRAWN = Event(
    name="SCORES_WITHDRAWN",
    message_id="1078bb5887784f05b276d0db1f5c4b02",
    sentence="Scores whose entity or inputs are gone were taken back",
    meaning="Run @RUN_ID@ found @ENTITIES@ entities of job @JOB@ that have a score and no new one, while the score was made of what is not "
    "theirs any more: the entity is gone, an attribute such as the client is another, or observations were withdrawn. The scores stay in "
    "the ledger, are current no longer, and are taken out of the hospital's own table. reporting.recalls says for each why, where "
    "recall_id is null.",
)
ENTITY_FAILED = Event(
    name="ENTITY_FAILED",
    level=logging.WARNING,
    message_id="af1d14f8abbf43fe972add307c47b3c6",
    sentence="Scoring raised for an entity",
    meaning="Scoring entity @ENTITY_ID@ of job @JOB@ raised @ERROR@. The entity has the status FAILED and no new score; all others "
    "of its batch are scored. It is tried again at each run, and not told again while the reason stays the same.",
    action="See the row, and its observations, and report what is special about them:\n"
    '    psql "$(scorer db url)" -c "SELECT * FROM reporting.current_scores WHERE status = \'FAILED\'"',
)
DATA_REFUSED = Event(
    name="DATA_REFUSED",
    level=logging.WARNING,
    message_id="051a8a062422481bbe4d5f8e27a9a7de",
    sentence="A statement of the job cannot take the data of some entities, which are held",
    meaning="Of job @JOB@, @ENTITIES@ entities of a batch are QUARANTINED by the rule data_readable: @ERROR@ All others of the batch are "
    "scored. A held entity is tried again at each run, and is released once its data can be read.",
    action="See whom, and mend the data or the job's statement:\n"
    '    psql "$(scorer db url)" -c "SELECT entity_id, observed FROM reporting.quarantine WHERE rule = \'data_readable\' '
    'AND resolved_at IS NULL"',
)
WORKERS_LOST = Event(
    name="WORKERS_LOST",
    level=logging.WARNING,
    message_id="a19a4070402943e9ac792639d692ec09",
    sentence="Going on without further workers",
    meaning="A process or thread that helped with run @RUN_ID@ of job @JOB@ ended early (@ERROR@). The run goes on without it, slower; "
    "nothing is lost or doubled.",
    action="DatabaseUnavailable: it had no session, or lost it; a worker needs four, so see the login's CONNECTION LIMIT. WorkerLost: most "
    "often memory ran out. See whether the kernel or MemoryMax= ended it, and give the job fewer workers or a smaller "
    "batch_size:\n    journalctl -k --since -1h -g 'out of memory|oom'\n    systemctl show scorer -p MemoryMax -p NRestarts",
)
CLUSTER_LOST = Event(
    name="CLUSTER_LOST",
    level=logging.WARNING,
    message_id="6b9baf7a2bd145078bec1fa57879117b",
    sentence="Going on without the Dask cluster, or with less of it",
    meaning="The Dask cluster, or a worker of it, does not help with job @JOB@ as it was asked to; the field ERROR says why. What it "
    "did stays, and what it did not is done here, slower; nothing is lost or doubled.",
    action="Do what the sentence says, or start the cluster again. Whether it is fit to help:\n    scorer check",
)
DATABASE_RETRIED = Event(
    name="DATABASE_RETRIED",
    message_id="e16e7ae6bf0445469bb3118d01749e67",
    sentence="Waiting for the database",
    meaning="The database refused or broke off a transaction (SQLSTATE @SQLSTATE@; none where it did not answer). It was rolled back "
    "and is tried again in a new session after @SECONDS@ s.",
)

REPLAYED = Event(
    name="REPLAYED",
    message_id="6229b050b10c47db9e3428e3374b0d62",
    sentence="A sample of past scores was made again",
    meaning="@SCORES@ scores of job @JOB@ by lot were made again, and the same inputs gave the same to the last bit. @CORRECTED@ differ "
    "because the source's rows were corrected since, and @NOT_REPLAYABLE@ could not be made again in part: reporting.replays says why.",
)
REPLAY_DIFFERED = Event(
    name="REPLAY_DIFFERED",
    level=logging.WARNING,
    message_id="4aafd603d17d41efb235663e0d0d8329",
    sentence="Past scores cannot be made again: the same inputs give something else",
    meaning="Of @SCORES@ scores of job @JOB@ by lot, @ALARMING@ came out otherwise although their inputs are the same, score @SCORE_ID@ "
    "among them; the field REASON says in what. Corrections in the source are not counted here. Told once a night.",
    action="See whether a library, the machine or the program was changed since, and what the replays say:\n"
    "    scorer check\n    scorer replay @SCORE_ID@\n"
    '    psql "$(scorer db url)" -c "SELECT * FROM reporting.replays WHERE alarming ORDER BY replay_id DESC"',
)

# The service

DAEMON_STARTED = Event(
    name="DAEMON_STARTED",
    message_id="4f0a9a99a68d434789b3221a32b32bef",
    sentence="Service started",
    meaning="The service, version @VERSION@, began. It is ready once all holds that must hold.",
)
DAEMON_READY = Event(
    name="DAEMON_READY",
    message_id="2fe14462ba3546458e718a6f3c31fadb",
    sentence="Service ready",
    meaning="All that must hold holds: the service keeps the schedules of its jobs and answers requests from now on.",
)
DAEMON_STOPPING = Event(
    name="DAEMON_STOPPING",
    message_id="fecf227917b040a298c3a4a61803fdf6",
    sentence="Service stopping",
    meaning="The service was asked to stop. The batches in hand are finished or rolled back; nothing new is claimed.",
)
DAEMON_STOPPED = Event(
    name="DAEMON_STOPPED",
    message_id="d3e61b46a5d44c8aad8ebe9b663ea891",
    sentence="Service stopped",
    meaning="The service ended in order. What is due waits in the database for the next start.",
)
DAEMON_RELOADED = Event(
    name="DAEMON_RELOADED",
    message_id="f3079ffe83ba44efb218031480863e9a",
    sentence="Service reloaded",
    meaning="Settings, jobs and models were read anew. Schedules, bands and models that changed are in force from the next batch on.",
)
PART_HINDERED = Event(
    name="PART_HINDERED",
    level=logging.ERROR,
    message_id="e84d0a218e284ea0a8d1bb3c2d78998f",
    sentence="A part of the service cannot do all its work; the others go on",
    meaning="The part @PART@ of the service (requests: scores on demand; nightly: the chores of a night) cannot do its work for a job, "
    "or for all; the field REASON says why. It is tried again within moments, and all that can be done is done.",
    action="See what does not hold, and mend it; no restart is needed:\n    scorer check",
)
PART_FREED = Event(
    name="PART_FREED",
    message_id="64f48d44bbab4a77a39e4e663b32f22b",
    sentence="A part of the service can do its work again",
    meaning="What kept the part @PART@ of the service from its work is mended.",
)
JOB_HINDERED = Event(
    name="JOB_HINDERED",
    level=logging.ERROR,
    message_id="eae3fc16682b4a8bacd4678e3c9ffd13",
    sentence="Job cannot be run; the other jobs go on",
    meaning="Something that must hold for job @JOB@ does not; the field REASON says what. No entity of it is scored and no request for it "
    "is answered. The other jobs are run as ever. It is looked at again every minute. Scores that stand stay until they expire, and are "
    "then shown as stale.",
    action="See what does not hold, and mend it; no restart is needed. Where the job is not to be run here, name the others in the option "
    "jobs, and reload:\n    scorer check",
)
JOB_FREED = Event(
    name="JOB_FREED",
    message_id="e0bdac3ac68b4e39bd34c3f2d1b21134",
    sentence="Job can be run again",
    meaning="What kept job @JOB@ from being run is mended. Ticks that passed meanwhile are caught up with one run.",
)
JOB_NOT_RUN = Event(
    name="JOB_NOT_RUN",
    message_id="7f8a4d58f1d84f28b9c58cff29f8c42c",
    sentence="Job is not run here",
    meaning="Job @JOB@ is not run by this service, and nothing of it has to hold; the field REASON says why. The option jobs in "
    "scorer.toml names the jobs that are run; where it is not set, they are those whose source tables are there and which have a model "
    "in production.",
)
JOB_NOT_RELOADED = Event(
    name="JOB_NOT_RELOADED",
    level=logging.ERROR,
    message_id="f178519dd0144d1aa17fe499dff41256",
    sentence="Job goes on as it was before the reload",
    meaning="What was read anew of job @JOB@ is not right, as the field REASON says. It goes on by the definition and the model that it "
    "had; after a restart it could not be run. What was read anew of the other jobs is in force. It is looked at again every minute.",
    action="Mend what the sentence names; no restart and no reload is needed then:\n    scorer check",
)
CHECK_WARNED = Event(
    name="CHECK_WARNED",
    level=logging.WARNING,
    message_id="cb8f8e946c194ed796f0f938570674b4",
    sentence="Something does not hold that should",
    meaning="A check (@CHECK@) found what keeps no job from being run, but should be corrected; the field REASON says what. Told once.",
    action="See all that should hold:\n    scorer check",
)
RELOAD_REFUSED = Event(
    name="RELOAD_REFUSED",
    level=logging.WARNING,
    message_id="06a3680cb2854d999e3bb62dc1f0d7e5",
    sentence="Reload refused: the service goes on as it was",
    meaning="What was to be read anew is not right, as the field ERROR says. Nothing of it is in force; the service goes on with what "
    "it had.",
    action="Mend what the sentence names, see that all holds, and reload again:\n    scorer check\n    systemctl reload scorer",
)
NOT_READY = Event(
    name="NOT_READY",
    level=logging.ERROR,
    message_id="6ebff3dfa21a487ab4b57398c02838c1",
    sentence="Service not ready: it claims nothing",
    meaning="The service lives, but something that must hold does not; the field REASON says what. It claims no work and looks again "
    "by itself. Scores that stand stay until they expire, and are then shown as stale.",
    action="See what does not hold, and mend it; no restart is needed:\n    scorer check",
)
READY_AGAIN = Event(
    name="READY_AGAIN",
    message_id="84ded98815e24417aa5ba5db1e75f59e",
    sentence="Service ready again",
    meaning="What kept the service from being ready is mended. Ticks that passed meanwhile are caught up with one run per job.",
)
DATABASE_LOST = Event(
    name="DATABASE_LOST",
    level=logging.ERROR,
    message_id="0db5df5d1842492db7c566825308893f",
    sentence="Database lost",
    meaning="The database does not answer, or cannot do what is asked: its disk is full, say, or it has no session left to give. The "
    "field ERROR says how it put that (SQLSTATE @SQLSTATE@; none where nothing was heard). The service waits, not ready, and tries again "
    "by itself; the batch in hand was rolled back by the server.",
    action="See whether PostgreSQL runs, lets scorer in, and has room on its disks; no restart of scorer is needed once it does:\n"
    "    scorer check",
)
DATABASE_BACK = Event(
    name="DATABASE_BACK",
    message_id="ef7a775b3bae4229b8c1c5fb7f07cfa7",
    sentence="Database back",
    meaning="The database answers again, after @SECONDS@ s. Runs that were broken off are gone on with.",
)
WORK_BLOCKED = Event(
    name="WORK_BLOCKED",
    level=logging.ERROR,
    message_id="39674cad9df648b08701465ed993f5b1",
    sentence="Work blocked: the database answers, but does not let it be done",
    meaning="For @SECONDS@ s each try of a part of the service (@PART@) has ended in the same way, as the field ERROR says (SQLSTATE "
    "@SQLSTATE@): most often a session of somebody else holds a lock on a table that scorer has to write or read. What was tried was "
    "rolled back; it is tried again and again, and nothing is lost. Told once, and once more when it is over.",
    action="See who holds locks, the oldest first, and have that session commit or end (SELECT pg_terminate_backend of its pid):\n"
    '    psql "$(scorer db url)" -c "SELECT a.pid, a.usename, a.application_name, a.state, a.xact_start, l.relation::regclass, l.mode '
    "FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE l.granted AND l.relation IS NOT NULL AND a.datname = "
    "current_database() AND a.application_name NOT LIKE 'scorer%' ORDER BY a.xact_start\"",
)
WORK_FLOWS_AGAIN = Event(
    name="WORK_FLOWS_AGAIN",
    message_id="b18401f66ac2474db84aa954c36f4c30",
    sentence="Work no longer blocked",
    meaning="What the database did not let be done for @SECONDS@ s (the last to wait: @PART@) is done again.",
)
TICK_LATE = Event(
    name="TICK_LATE",
    message_id="ac3c687155034153af275eb6683e781b",
    sentence="Tick ran late",
    meaning="Job @JOB@ was due at @SCHEDULED_FOR@ and ran @SECONDS@ s later; the field REASON says why. The row is in reporting.ticks.",
)
DATABASE_WENT_BACK = Event(
    name="DATABASE_WENT_BACK",
    level=logging.WARNING,
    message_id="652f9e701a4249d3b48f6499a3a37f05",
    sentence="Database went back",
    meaning="Job @JOB@ had run at the tick of @BEFORE@, and the database does not know of it any more; its newest tick is that of "
    "@NEWEST@. It was restored from a backup, or a standby that lacked what was last written has become the primary. Scores of that time "
    "are gone with it; one run catches up with what is due.",
    action="Have the database's administrator confirm it, and see what is missing:\n"
    '    psql "$(scorer db url)" -c "select * from reporting.runs order by run_id desc limit 20"',
)
TICKS_MISSED = Event(
    name="TICKS_MISSED",
    level=logging.WARNING,
    message_id="027f2ff5fc324427ac4da0aafc08bc4d",
    sentence="Ticks missed",
    meaning="@TICKS@ ticks of job @JOB@, from @FIRST@ to @LAST@, had no run of their own; the field REASON says why. One run catches "
    "up with what was due; the gap is recorded in reporting.ticks.",
    action="Where nobody stopped the service or the database on purpose, see what was said in that time:\n"
    "    journalctl -u 'scorer*' -p warning --since '@FIRST@'",
)
CLOCK_JUMPED = Event(
    name="CLOCK_JUMPED",
    level=logging.WARNING,
    message_id="b27255e840eb4f97adf3872f81962535",
    sentence="Clock jumped",
    meaning="The clock of @OF@ moved by @SECONDS@ s against the steady one. The database's clock says which tick is due. Where that one "
    "was ahead and was put right, what it dated in the future does not count: such scores are stale, and made anew when next due.",
    action="See whether this machine and the database's keep their time:\n    timedatectl timesync-status",
)
WATCHDOG_STARVED = Event(
    name="WATCHDOG_STARVED",
    level=logging.ERROR,
    message_id="d4cb80d5382a493ea9408353e04e2bdd",
    sentence="Watchdog not fed: a part of the service hangs",
    meaning="A thread of the service (@PART@) has shown no sign of life for @SECONDS@ s. If it stays so, systemd ends the service and "
    "starts it anew; the batch in hand is rolled back.",
    action="See what the database makes it wait for, then whether the service came back:\n"
    '    psql "$(scorer db url)" -c "SELECT pid, state, wait_event, query_start FROM pg_stat_activity WHERE application_name '
    "LIKE 'scorer%'\"\n    systemctl status scorer",
)
STOOD_STILL = Event(
    name="STOOD_STILL",
    level=logging.WARNING,
    message_id="7ea328018c654263bdbda2c8ac6066e0",
    sentence="Service stood still",
    meaning="For @SECONDS@ s the service's process was not run at all: it was stopped, or its machine was suspended or starved. What it "
    "had in hand was rolled back by the server if that took too long, and is done again by this service or another.",
    action="Nothing, after a suspended machine. Otherwise see whether memory or processors ran short then:\n"
    "    journalctl -k --since -1h\n    systemctl status scorer",
)
HEALTH_SERVED = Event(
    name="HEALTH_SERVED",
    message_id="03a5069118344ea39f057e0b93147a3c",
    sentence="Health served",
    meaning="/live, /ready and /metrics are answered at @ADDRESS@.",
)
HEALTH_FAILED = Event(
    name="HEALTH_FAILED",
    level=logging.WARNING,
    message_id="8aac57c06a5f4ae4a42851abadf547cb",
    sentence="Health could not be told",
    meaning="/metrics was asked for, and scorer's own query or program failed; the field ERROR says how. Scoring goes on.",
    action="Look whether the schema is the program's, and report it if it is:\n    scorer db check",
)

# Breakers and neighbours

BREAKER_OPENED = Event(
    name="BREAKER_OPENED",
    level=logging.ERROR,
    message_id="c927af7282d248eeb641d8e0da90f056",
    sentence="Breaker opened: the job is left alone for a while",
    meaning="Job @JOB@ failed @FAILURES@ times one after the other; the field ERROR says why the last time. It claims nothing until "
    "@RETRY_AT@, when one run tries whether it is well again. The other jobs go on.",
    action="Mend what the sentence names, then try the job at once; a run that succeeds closes the breaker:\n    scorer check\n"
    "    scorer run @JOB@",
)
BREAKER_HALF_OPEN = Event(
    name="BREAKER_HALF_OPEN",
    message_id="932fa99fd79042749b74488ae834e09e",
    sentence="Breaker half open: one run tries the job",
    meaning="The breaker of job @JOB@ has been open long enough: one run tries whether the job is well. If it fails, the breaker stays "
    "open for longer.",
)
BREAKER_CLOSED = Event(
    name="BREAKER_CLOSED",
    message_id="496f07cbf8d44b6ba62c0123c7722d11",
    sentence="Breaker closed",
    meaning="A run of job @JOB@ succeeded; the job is back on its schedule.",
)
NEIGHBOUR_SHRINKS = Event(
    name="NEIGHBOUR_SHRINKS",
    message_id="ba17eb6e6a3d4997afec64146fe8e2ed",
    sentence="Database busy: batches made smaller",
    meaning="The database is busier than the settings allow (@LIMIT@: @FOUND@), so run @RUN_ID@ of job @JOB@ goes on with smaller "
    "batches.",
)
NEIGHBOUR_WAITS = Event(
    name="NEIGHBOUR_WAITS",
    message_id="768955dda767498ba36564995e3a732a",
    sentence="Database busy: waiting before the next batch",
    meaning="The database is busier than the settings allow (@LIMIT@: @FOUND@), so run @RUN_ID@ of job @JOB@ waits before its next "
    "batch.",
)
NEIGHBOUR_STOPS = Event(
    name="NEIGHBOUR_STOPS",
    level=logging.WARNING,
    message_id="2b270e22bfbb4c14b2b142df167b24c6",
    sentence="Database busy for too long: run stopped",
    meaning="The database stayed busier than the settings allow (@LIMIT@: @FOUND@), so run @RUN_ID@ of job @JOB@ stopped between two "
    "batches. What it did not score is due again.",
    action="See what keeps the database busy. Where that is its ordinary load, raise the limit in scorer.toml and reload:\n"
    '    psql "$(scorer db url)" -c "SELECT pid, application_name, state, xact_start FROM pg_stat_activity ORDER BY xact_start"\n'
    "    systemctl reload scorer",
)
STANDBY_LEFT = Event(
    name="STANDBY_LEFT",
    level=logging.WARNING,
    message_id="9cb51c27d6ab4a9d9da41ffa2cf3e230",
    sentence="Standby not read: the rest of the run is read at the primary",
    meaning="The standby that read_url names cannot be read for run @RUN_ID@ of job @JOB@; the field ERROR says why. Nothing is missing: "
    "what it would have been read for is read at the primary, which bears the load of it.",
    action="See whether the standby is up and how far it is behind. Where it is always behind for a while, raise read_lag_limit:\n"
    '    psql "$(scorer db url)" -c "SELECT application_name, state, replay_lag FROM pg_stat_replication"\n'
    "    scorer check",
)
KEPT_ROWS_DIFFER = Event(
    name="KEPT_ROWS_DIFFER",
    level=logging.ERROR,
    message_id="7f0c2a6e4b1d4d8f9a35c1e60b7d2f84",
    sentence="Kept observations are not those of the database: none are kept any more",
    meaning="The nightly sweep has read all observations of job @JOB@, and for @ENTITIES@ of @READ@ entities found others than this daemon "
    "had kept and brought up to date by the captured changes. Scores since the last sweep may rest on wrong inputs; those of this run are "
    "right. Until it is restarted the daemon reads everything in full.",
    action="Set kept_rows = 0, so that it stays so, and recall the scores since the last sweep. Find out what changes the job's tables "
    "past its triggers, or what else its observations statement reads:\n"
    "    scorer recall --help\n"
    "    systemctl reload scorer",
)

# Requests

REQUESTS_ANSWERED = Event(
    name="REQUESTS_ANSWERED",
    level=logging.DEBUG,
    message_id="97f55bd5b0e64b17aeed7c1b210448c9",
    sentence="Requests answered",
    meaning="@REQUESTS@ requests of job @JOB@ were answered in one transaction with their scores.",
)
REQUEST_REFUSED = Event(
    name="REQUEST_REFUSED",
    message_id="3fb92dc29e5d4df4b306a9756734bf7f",
    sentence="Request refused",
    meaning="Request @REQUEST_ID@ of job @JOB@ cannot be answered; the field REASON says why. Whoever asked sees it in "
    "reporting.requests.",
)
REQUESTS_EXPIRED = Event(
    name="REQUESTS_EXPIRED",
    level=logging.WARNING,
    message_id="40fb8df7f3684c498bbe7798146ef8da",
    sentence="Requests expired",
    meaning="@REQUESTS@ requests of job @JOB@ were not answered by their deadline, and will not be: those who asked see them as expired "
    "in reporting.requests and must ask again. No service ran meanwhile, or more was asked for than it could answer in time.",
    action="See how soon requests are answered, and what waits:\n"
    '    psql "$(scorer db url)" -c "select * from reporting.request_statistics"\n    scorer status',
)
REQUESTS_STRANGE = Event(
    name="REQUESTS_STRANGE",
    level=logging.WARNING,
    message_id="3ef44ae7cd5d48f7a0946f4cee47d13a",
    sentence="Requests wait for a job that this service does not know",
    meaning="@REQUESTS@ requests of job @JOB@ have waited for minutes, and this service has no such job: another one that has it may be "
    "stopped, or its folder may be missing here. Those that have waited for an hour are refused. Told once, until none waits.",
    action="Start the service that has the job, or put the job's folder into jobs_dir here, then:\n    scorer check\n"
    "    systemctl reload scorer",
)
REQUESTS_FAILED = Event(
    name="REQUESTS_FAILED",
    level=logging.ERROR,
    message_id="b0ca56c8c0044d9687c47c88c1349170",
    sentence="Requests refused: their job cannot answer",
    meaning="@REQUESTS@ requests of job @JOB@ were refused, since none of them could be answered; the field ERROR says why, and so "
    "does each request's row in reporting.requests. Nothing of them was published. Whoever asked must ask again.",
    action="Mend what the sentence names, and see whether all holds that must:\n    scorer check",
)

# Suites

RULE_LEFT = Event(
    name="RULE_LEFT",
    level=logging.WARNING,
    message_id="7a6b70b6079e45b68b884e08fbf7970e",
    sentence="Rule left to Great Expectations: its compiled form tells something else",
    meaning="On values at its own limits, the compiled form of rule @RULE@ (@SUITE@) and Great Expectations gave different verdicts. The "
    "rule is judged by Great Expectations alone, whose verdict counts: no score is wrong, but each batch takes longer. It may come of "
    "another version of Great Expectations, pandas or NumPy.",
    action="Install the versions that this release of scorer was tested with, or tell its maintainers which rule it is. To leave every "
    'rule to Great Expectations, and see this no more, set validation = "great_expectations" in scorer.toml, then:\n'
    "    systemctl reload scorer",
)

# Models beside production

CHALLENGER_LEFT_OUT = Event(
    name="CHALLENGER_LEFT_OUT",
    level=logging.WARNING,
    message_id="99c23ab276344e3c9260e40ec988590a",
    sentence="Challenger left out: production scores without it",
    meaning="Model @CHALLENGER@ was to score job @JOB@ beside the one in production, and cannot; the field ERROR says why. Every score of "
    "production is made and published as ever. Told once a process.",
    action="Mend what the sentence names, or stop the challenge:\n    scorer model list\n"
    "    scorer model challenge @JOB@ --stop --why 'it cannot score'",
)
REASONS_LEFT_OUT = Event(
    name="REASONS_LEFT_OUT",
    level=logging.WARNING,
    message_id="de9d7d041f694b47938a01b70c6ec3d8",
    sentence="Scores stored without their reasons",
    meaning="Scores of job @JOB@ by model @MODEL_VERSION@ that should be stored with their reasons were stored without: the field ERROR "
    "says why. The scores are right, and published as ever. Told once a process.",
    action="Report it with the model's version; a model whose parts do not add up to its scores should not stay in production:\n"
    "    scorer model list",
)

# Nights

PARTITIONS_MADE = Event(
    name="PARTITIONS_MADE",
    message_id="42bb42e1e1fa42bb843b64807db7f989",
    sentence="Partitions of the ledger made ahead",
    meaning="The ledger has tables for the runs of the months to come: @PARTITIONS@. A run that finds none makes its own.",
)
CHORE_FAILED = Event(
    name="CHORE_FAILED",
    level=logging.WARNING,
    message_id="ea3f101c0d5d43288dc8bd24f488e69f",
    sentence="Nightly chore failed",
    meaning="What is done for job @JOB@ once a night, @CHORE@, could not be done; the field ERROR says why. Scoring goes on without it. It "
    "is tried again the next night. Where the database kept it from its end, or its process died, it was tried three times.",
    action="Mend what the sentence names, and see whether all holds that must:\n    scorer check",
)
REPORT_WRITTEN = Event(
    name="REPORT_WRITTEN",
    message_id="6e2ea01bee1844b8b1adbaa960a9b2fb",
    sentence="Report written",
    meaning="The page on the seven days before this night is in @FILE@, for people to read; @REMOVED@ older ones, kept for long enough, "
    "were removed (report_keep).",
)
REPORT_FAILED = Event(
    name="REPORT_FAILED",
    level=logging.WARNING,
    message_id="2f64632aab0749258924780024fbddc0",
    sentence="Report could not be written",
    meaning="The page on the seven days before this night could not be made or written; the field ERROR says why. Scoring goes on without "
    "it. It is tried again the next night, or when the daemon starts.",
    action="Mend what the sentence names, and see whether a page can be made:\n    scorer report",
)
DRIFT_FOUND = Event(
    name="DRIFT_FOUND",
    level=logging.WARNING,
    message_id="135bb79b668e42bb9a4a1506e7df0819",
    sentence="Model's inputs or scores have drifted from its training data",
    meaning="What model @MODEL_VERSION@ of job @JOB@ is given, or what it says, lies otherwise than the rows that it was trained on: "
    "@DETAIL@. A unit may have changed, a feed may have gone silent, or the patients are others. Told once, until it has ended.",
    action="See which features moved, and since which run; mend the feed where it is one, else train the model again:\n"
    "    scorer monitor @JOB@",
)
PERFORMANCE_LOST = Event(
    name="PERFORMANCE_LOST",
    level=logging.WARNING,
    message_id="a87952451af7449095e3720c963c5b2e",
    sentence="Model foretells worse than when it was trained",
    meaning="By the outcomes that are known by now, the scores of model @MODEL_VERSION@ of job @JOB@ are worse than its cross-validated "
    "figures, by more than chance: @DETAIL@. Told once, until it has ended.",
    action="See the live figures beside its own, look for drift first, and train the model again:\n    scorer monitor @JOB@",
)
NEW_CODES = Event(
    name="NEW_CODES",
    level=logging.WARNING,
    message_id="9484f8a05d3f4987a1992f271c5a61b3",
    sentence="New observation types appear that the job does not know",
    meaning="Observations of job @JOB@ bear types that were not there when model @MODEL_VERSION@ went into production: @DETAIL@. They are "
    "left out of its features. A new assay may stand beside an old one, or have taken its place. Told once, until it has ended.",
    action="See which they are, and name in job.toml those that the model should know, before it is trained again:\n"
    "    scorer monitor @JOB@",
)
MODEL_OLD = Event(
    name="MODEL_OLD",
    level=logging.WARNING,
    message_id="e9de72a4d1924204a5a2fd0361a1c258",
    sentence="Model is due for training: it has become old",
    meaning="Model @MODEL_VERSION@ of job @JOB@ is older than its job allows: @DETAIL@. Told once.",
    action="Train it again, and compare before it is promoted:\n    scorer monitor @JOB@\n    scorer train @JOB@ --help",
)
UNITS_MOVED = Event(
    name="UNITS_MOVED",
    level=logging.ERROR,
    message_id="35c8cc1f275d45de84fc2066780a0b1c",
    sentence="Values of an observation type lie as they would in another unit",
    meaning="The newest values of job @JOB@ are not where they were when model @MODEL_VERSION@ was trained: @DETAIL@. A laboratory, an "
    "analyser or a ward may have changed units; the scores that rest on these values are wrong. Told once, until it has ended.",
    action="Ask the laboratory; convert the values in the job's observations.sql, and recall the scores made meanwhile:\n"
    "    scorer monitor @JOB@\n    scorer check\n    scorer recall --help",
)
CONSTANT_SCORE = Event(
    name="CONSTANT_SCORE",
    level=logging.ERROR,
    message_id="513f5389febf4b31924e10a94e8155fa",
    sentence="Model gives nearly all entities the same score",
    meaning="The newest scores of model @MODEL_VERSION@ of job @JOB@ are of no use: @DETAIL@. Inputs may be missing, or the model broken. "
    "Told once, until it has ended.",
    action="See what became of its inputs; where they are in order, put the version before into production again, recall these scores:\n"
    "    scorer monitor @JOB@\n    scorer model rollback --help\n    scorer recall --help",
)
ALERT_ENDED = Event(
    name="ALERT_ENDED",
    message_id="6dbcb9a8d6b64475a9176c7b12edf777",
    sentence="Alert on a model has ended",
    meaning="What was told of model @MODEL_VERSION@ of job @JOB@ (@KIND@) is so no more, or another model is in production by now.",
)


# Files without a database

DELIVERY_SCORED = Event(
    name="DELIVERY_SCORED",
    message_id="18d78e819a39468fbafb26dc25135c7c",
    sentence="Delivery scored",
    meaning="What @FILE@ holds was scored for job @JOB@; @PREDICTIONS@ has a row for each entity, @REJECTED@ rows could not be loaded and "
    "are in the reject file beside it. The files are in done/.",
)
DELIVERY_KNOWN = Event(
    name="DELIVERY_KNOWN",
    message_id="17fcf23efb564c75b8a3c44158c3da8a",
    sentence="Delivery has the same bytes as one that was scored before: it was not scored again",
    meaning="@FILE@ holds what @BEFORE@ held, whose results are in @PREDICTIONS@. It was moved to done/.",
)
DELIVERY_FAILED = Event(
    name="DELIVERY_FAILED",
    level=logging.ERROR,
    message_id="920b6bdc750144e2b9cc65f5ae6a65c3",
    sentence="Delivery cannot be scored: it was set aside, and the others go on",
    meaning="@FILE@ is in failed/ with a file beside it that says why: @ERROR@.",
    action="Mend it as the reason says, and move it back to the folder that it came to; its results are made then:\n"
    "    scorer files --help",
)
DELIVERY_WAITS = Event(
    name="DELIVERY_WAITS",
    message_id="bdf11d3ddf2447b185dcfd7de97b26af",
    sentence="Delivery is not complete and waits",
    meaning="Beside @FILE@ there is no @LACKS@ yet. Both are scored once they are there.",
)
