-- The role that rolls back: it owns nothing and is no superuser, so a dump that holds code cannot run it as one.
-- As a member of the owner it renames the database, restores beside it with the same owner, and copies what
-- ALTER DATABASE and GRANT have set. ${owner} is the role that owns the product's database.
CREATE ROLE rollback LOGIN NOSUPERUSER CREATEDB PASSWORD ${rollback_password};
GRANT ${owner}, pg_signal_backend, pg_read_all_data TO rollback;
