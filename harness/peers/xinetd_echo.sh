#!/bin/sh
# xinetd's built-in echo service on the port $1, and nothing else; its configuration goes to the folder $2.
cat >"$2/$1.conf" <<END
defaults
{
}
service echo
{
    type        = INTERNAL UNLISTED
    id          = echo-stream
    socket_type = stream
    protocol    = tcp
    wait        = no
    user        = $(id -un)
    port        = $1
    bind        = 127.0.0.1
}
END
exec xinetd -dontfork -filelog "$2/log" -pidfile "$2/$1.pid" -f "$2/$1.conf"
