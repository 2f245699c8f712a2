#!/bin/sh
# Puts scorer in place, or takes it away: `make install`, `make uninstall`.
#
# PREFIX (/usr/local), DESTDIR (nothing), PYTHON (python3) and EXTRAS (none, such as report) come from the environment. What is made:
#
#     PREFIX/lib/scorer                    a virtual environment with the wheel and all it needs
#     PREFIX/bin/scorer                    the command
#     PREFIX/share/man                     a manual page for each command
#     PREFIX/share/bash-completion, zsh    completion of commands and options
#     PREFIX/share/scorer                  scorer.toml as shipped, alerts for Prometheus, and sql, a link to the jobs' statements
#     PREFIX/share/scorer/grafana          dashboards, and what has Grafana find them and their data
#     PREFIX/share/doc/scorer              README, those of the folders that the wheel ships, licence
#     PREFIX/lib/systemd, sysusers.d ...   units, catalog, user, folders; below /etc where systemd does not look into PREFIX
#     /etc/scorer/scorer.toml              unless there is one that was changed
set -eu

PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
EXTRAS=${EXTRAS:-}
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")

venv=$PREFIX/lib/scorer
share=$PREFIX/share/scorer
doc=$PREFIX/share/doc/scorer
manual=$PREFIX/share/man/man1
settings=/etc/scorer/scorer.toml
case $PREFIX in
    /usr | /usr/local) vendor=$PREFIX/lib ;;
    *) vendor=/etc ;;
esac
# Debian's zsh looks for what packages bring in a folder of its own.
case $PREFIX in
    /usr) zsh=$PREFIX/share/zsh/vendor-completions ;;
    *) zsh=$PREFIX/share/zsh/site-functions ;;
esac
bash=$PREFIX/share/bash-completion/completions

fail() {
    echo "scorer: $*" >&2
    exit 1
}

say() {
    echo "scorer: $*"
}

# Each file beside the venv: where it comes from in the checkout, and where it goes.
files() {
    for path in "$here"/*.service "$here"/*.timer; do
        echo "$path $vendor/systemd/system/$(basename "$path")"
    done
    for path in "$here"/*.catalog; do
        echo "$path $vendor/systemd/catalog/$(basename "$path")"
    done
    echo "$here/scorer.sysusers $vendor/sysusers.d/scorer.conf"
    echo "$here/scorer.tmpfiles $vendor/tmpfiles.d/scorer.conf"
    for path in scorer.toml scorer.rules.yml; do
        echo "$here/$path $share/$path"
    done
    for path in "$here"/grafana/*.json "$here"/grafana/*.yml; do
        echo "$path $share/grafana/$(basename "$path")"
    done
    for path in README.md expectations/README.md models/README.md sql/README.md systemd/README.md systemd/grafana/README.md; do
        echo "$checkout/$path $doc/$path"
    done
    echo "$checkout/LICENSE $doc/LICENSE"
}

check_arguments() {
    case $PREFIX$DESTDIR in
        *[!A-Za-z0-9/._-]*) fail "PREFIX and DESTDIR may hold letters, digits and /._- alone; choose another folder." ;;
    esac
    case $PREFIX in
        /?*) ;;
        *) fail "PREFIX=$PREFIX is not an absolute path; give one such as /usr/local." ;;
    esac
    case $EXTRAS in
        *[!a-z,]*) fail "EXTRAS=$EXTRAS is not a list of extras; give such as report, or report,dask." ;;
    esac
}

check_python() {
    "$PYTHON" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$PYTHON is not Python 3.11 or newer with venv; set PYTHON= (Debian: apt install python3-venv)."
    real=$("$PYTHON" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    case $real in
        ~root/* | /home/*) fail "$real lies in a home folder, which the service cannot see; set PYTHON=/usr/bin/python3." ;;
    esac
}

# A wheel is built from a copy, so that the checkout stays as it is.
build_environment() {
    fresh=$DESTDIR$venv.new
    source=$(mktemp -d)
    trap 'rm -rf "$source" "$fresh"' EXIT
    for part in scorer migrations sql models expectations systemd setup.cfg pyproject.toml README.md LICENSE; do
        cp -r "$checkout/$part" "$source/"
    done
    rm -rf "$fresh"
    mkdir -p "$(dirname "$fresh")"
    "$PYTHON" -m venv "$fresh"
    "$fresh/bin/python" -m pip --disable-pip-version-check install --quiet --no-compile "$source${EXTRAS:+[$EXTRAS]}"
    install -m 755 "$here/scorer-alert" "$fresh/bin/scorer-alert"
    # It was made in another place than the one it is for.
    grep -rlI "$fresh" "$fresh/bin" "$fresh/pyvenv.cfg" | xargs sed -i "s|$fresh|$venv|g"
    # The service cannot write beside the modules, and would compile them at every start. Some packages ship tests for other Pythons.
    # A package's files have another time where they are installed, and nobody edits them there.
    validity=timestamp
    [ -z "${SOURCE_DATE_EPOCH:-}" ] || validity=unchecked-hash
    "$fresh/bin/python" -m compileall -f -q -j 0 --invalidation-mode "$validity" -s "$fresh" -p "$venv" "$fresh/lib" >/dev/null || true
}

place_environment() {
    rm -rf "$DESTDIR$venv.old"
    [ ! -e "$DESTDIR$venv" ] || mv "$DESTDIR$venv" "$DESTDIR$venv.old"
    mv "$fresh" "$DESTDIR$venv"
    rm -rf "$DESTDIR$venv.old"
    mkdir -p "$DESTDIR$PREFIX/bin"
    ln -sf ../lib/scorer/bin/scorer "$DESTDIR$PREFIX/bin/scorer"
    # A place that does not change with Python's version, for whoever runs grants.sql and its like by hand.
    package=$(cd "$DESTDIR$venv" && echo lib/python3*/site-packages/scorer)
    mkdir -p "$DESTDIR$share"
    ln -sfn "../../lib/scorer/$package/sql" "$DESTDIR$share/sql"
}

# What was shipped with the version before stands in `share`, and tells whether the site has changed its copy.
place_settings() {
    now=$DESTDIR$settings
    if [ ! -e "$now" ] || cmp -s "$now" "$DESTDIR$share/scorer.toml"; then
        install -D -m 644 "$here/scorer.toml" "$now"
        rm -f "$now.new"
    elif ! cmp -s "$now" "$here/scorer.toml"; then
        install -m 644 "$here/scorer.toml" "$now.new"
        say "$settings was changed here, and is kept; the one of this version is beside it, as scorer.toml.new."
    fi
}

place_files() {
    files | while read -r from to; do
        mkdir -p "$DESTDIR$(dirname "$to")"
        sed "s|/usr/local/|$PREFIX/|g" "$from" >"$DESTDIR$to"
        chmod 644 "$DESTDIR$to"
    done
}

# Both by the program itself, which has been put in place; -I keeps the checkout out of it.
place_manual_and_completion() {
    python=$DESTDIR$venv/bin/python
    mkdir -p "$DESTDIR$manual" "$DESTDIR$bash" "$DESTDIR$zsh"
    rm -f "$DESTDIR$manual"/scorer.1.gz "$DESTDIR$manual"/scorer-*.1.gz
    "$python" -IB "$here/debian/manual.py" "$DESTDIR$manual"
    gzip -9nf "$DESTDIR$manual"/scorer.1 "$DESTDIR$manual"/scorer-*.1
    for shell in bash zsh; do
        _SCORER_COMPLETE=${shell}_source "$python" -IBc 'from scorer.cli.main import main; main()' >"$fresh.$shell"
    done
    install -m 644 "$fresh.bash" "$DESTDIR$bash/scorer"
    install -m 644 "$fresh.zsh" "$DESTDIR$zsh/_scorer"
    rm -f "$fresh.bash" "$fresh.zsh"
}

systemd_runs_here() {
    [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]
}

install_all() {
    check_arguments
    check_python
    build_environment
    place_environment
    place_settings
    place_files
    place_manual_and_completion
    if systemd_runs_here; then
        systemd-sysusers "$vendor/sysusers.d/scorer.conf"
        systemd-tmpfiles --create "$vendor/tmpfiles.d/scorer.conf"
        journalctl --update-catalog
        systemctl daemon-reload
        say "installed below $PREFIX. Next: the database's URL into /etc/scorer/database_url, and systemctl enable --now scorer;"
        say "where it runs already, systemctl restart scorer-migrate scorer."
    else
        say "installed below $DESTDIR$PREFIX. On the host itself: systemd-sysusers && systemd-tmpfiles --create && journalctl --update-catalog."
    fi
}

stop_services() {
    systemctl --quiet disable --now scorer.service scorer-migrate.service 2>/dev/null || true
    systemctl stop 'scorer@*.service' 'scorer-run@*.timer' 'scorer-run@*.service' 'scorer-alert@*.service' || true
    systemctl --quiet disable 'scorer@.service' 'scorer-run@.timer' || true
}

uninstall_all() {
    check_arguments
    ! systemd_runs_here || stop_services
    if cmp -s "$DESTDIR$settings" "$DESTDIR$share/scorer.toml"; then
        rm -f "$DESTDIR$settings"
    fi
    rm -f "$DESTDIR$settings.new" "$DESTDIR$PREFIX/bin/scorer" "$DESTDIR$share/sql"
    rm -f "$DESTDIR$manual"/scorer.1.gz "$DESTDIR$manual"/scorer-*.1.gz "$DESTDIR$bash/scorer" "$DESTDIR$zsh/_scorer"
    files | while read -r _ to; do
        rm -f "$DESTDIR$to"
    done
    rm -rf "$DESTDIR$venv"
    rmdir --ignore-fail-on-non-empty "$DESTDIR$share/grafana" "$DESTDIR$share" "$DESTDIR$doc"/*/*/ "$DESTDIR$doc"/*/ "$DESTDIR$doc" "$DESTDIR/etc/scorer" 2>/dev/null || true
    if systemd_runs_here; then
        systemctl daemon-reload
        journalctl --update-catalog
    fi
    say "removed from $DESTDIR$PREFIX. The database is as it was."
    for left in /etc/scorer /var/lib/scorer; do
        [ ! -e "$DESTDIR$left" ] || say "left as it is: $left; remove it by hand, if nobody needs it."
    done
    say "left as they are: the user scorer, and drop-ins of the units in /etc/systemd/system."
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "usage: install.sh install|uninstall, from make." ;;
esac
