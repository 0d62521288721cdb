#!/bin/sh
# Stands in for the entrypoint of mysql:8.4: makes the database and its user at the first start.
set -e
data=/var/lib/mysql
chown mysql:mysql "$data"
if [ ! -d "$data/mysql" ]; then
  mysqld --no-defaults --user=mysql "--datadir=$data" --initialize-insecure
fi
cat >/tmp/init.sql <<END
CREATE DATABASE IF NOT EXISTS $MYSQL_DATABASE;
CREATE USER IF NOT EXISTS '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON $MYSQL_DATABASE.* TO '$MYSQL_USER'@'%';
END
exec mysqld --no-defaults --user=mysql "--datadir=$data" --init-file=/tmp/init.sql --mysqlx=OFF \
  --socket=/tmp/mysql.sock --pid-file=/tmp/mysql.pid --secure-file-priv=NULL --skip-name-resolve "$@"
