#!/bin/bash
# "Strategy 4: Full Rollback" of the document, steps 2 to 9, command by command. What differs from the text:
# its waiting and reading by people is left out; systemctl is supervisorctl here; `aws s3 cp` is the same copy by boto3;
# what it does "on the server" is done on all hosts at once. full_rollback.py sets the variables.
set -u
on() { # on HOST COMMAND...: in the live release of a host, with its environment
    local host=$1; shift
    (cd "$BOX/$host/current" && set -a && . "$BOX/$host/env" && PATH=$PWD/venv/bin:$PATH "$@")
}
everywhere() { for host in app1 app2 worker1; do on $host "$@" & done; wait; }

# Step 2: maintenance mode
on app1 python manage.py maintenance_mode on & on app2 python manage.py maintenance_mode on & wait
on app1 python manage.py send_emergency_notification --message="System maintenance in progress."
# Step 3: stop all services
$CTL stop app1-gunicorn app2-gunicorn
on worker1 celery -A config control shutdown
$CTL stop worker1-beat worker1-worker
$CTL status
# Step 4: back up the current database
BACKUP_FILE=$WORK/backup_rollback.sql
"$TOOLS/pg_dump" -F c -f "$BACKUP_FILE"
"$TOOLS/pg_restore" --list "$BACKUP_FILE" | head -20
$S3_CP "$BACKUP_FILE" to backup_rollback.sql
# Step 5: restore the database
$S3_CP "$WORK/downloaded.sql" from pre_deployment.sql
"$TOOLS/pg_restore" -d "$PGDATABASE" -c "$WORK/downloaded.sql"
"$TOOLS/psql" -c "SELECT COUNT(*) FROM django_migrations WHERE app = 'bot';"
# Step 6: revert the code
for host in app1 app2 worker1; do
    git --git-dir "$BOX/$host/repo.git" --work-tree "$(readlink -f "$BOX/$host/current")" checkout --force v1 -- . &
done; wait
everywhere "$UV" pip install --quiet --offline -p venv/bin/python -r requirements.lock
everywhere python manage.py collectstatic --noinput
# Step 7: verify the integrity of the database
on app1 python manage.py check
on app1 python manage.py showmigrations
on app1 python manage.py check_data_integrity
# Step 8: restart services
$CTL start app1-gunicorn app2-gunicorn worker1-worker worker1-beat
$CTL status
on worker1 celery -A config inspect ping
# Step 9: disable maintenance mode
on app1 python manage.py maintenance_mode off & on app2 python manage.py maintenance_mode off & wait
curl --silent "$URL/v1/health"
