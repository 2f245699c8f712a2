#!/bin/sh
# Builds the Debian package: `make deb`. It is what install.sh puts in place, below /usr, with all Python libraries, and maintainer scripts.
#
# dpkg-deb alone makes it. debhelper and dh-virtualenv would have to be told to leave nearly all of it alone: the wheels' libraries may not be
# stripped, nor their dependencies counted as Debian's; and dh-virtualenv brings its own way of what install.sh does already.
#
# From the environment: OUT (build/deb), COMPRESSION (xz; gzip is quicker to make), MAINTAINER ("Name <address>"), SOURCE_DATE_EPOCH (the newest
# commit's time); and what pip reads, such as PIP_CONSTRAINT=libraries.txt, for the libraries of a package that was built before (it holds the
# list, in /usr/share/doc/scorer).
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$(dirname "$here")")
OUT=${OUT:-build/deb}
COMPRESSION=${COMPRESSION:-xz}
MAINTAINER=${MAINTAINER:-The scorer authors <scorer@example.org>}
PYTHON=/usr/bin/python3 # Debian's: the package's environment runs on it

fail() {
    echo "make deb: $*" >&2
    exit 1
}

check_what_is_needed() {
    missing=
    for tool in dpkg-deb dpkg gzip bash sed awk; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    [ -z "$missing" ] || fail "needs$missing; a package for Debian 12 is built on Debian 12."
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
        fail "$PYTHON is not the Python 3.11 of Debian 12; build the package there."
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || fail "needs venv; apt install python3-venv."
    case $OUT in
        *[!A-Za-z0-9/._-]*) fail "OUT=$OUT may hold letters, digits and /._- alone; choose another folder." ;;
    esac
    case $COMPRESSION in
        xz) ;;
        gzip) COMPRESSION='gzip -z1' ;;
        *) fail "COMPRESSION=$COMPRESSION is not one that Debian 12 reads; give xz or gzip." ;;
    esac
    case $MAINTAINER in
        *?\ \<?*@?*\>) ;;
        *) fail "MAINTAINER=$MAINTAINER is not a name with an address; give one such as 'Ada Lovelace <ada@hospital.example>'." ;;
    esac
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$checkout/scorer/__init__.py")
    dpkg --validate-version "$version-1" 2>/dev/null || fail "scorer/__init__.py has the version \"$version\", which Debian cannot compare."
}

# Times, hashes and order are the same in each build of one commit with the same libraries.
prepare() {
    mkdir -p "$OUT"
    OUT=$(cd "$OUT" && pwd)
    root=$OUT/root
    rm -rf "$root"
    : "${SOURCE_DATE_EPOCH:=$(git -C "$checkout" log -1 --format=%ct 2>/dev/null || stat --format=%Y "$checkout/CHANGELOG.md")}"
    export SOURCE_DATE_EPOCH
    export PYTHONHASHSEED=0 LC_ALL=C.UTF-8 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
}

put_in_place() {
    PREFIX=/usr DESTDIR=$root PYTHON=$PYTHON EXTRAS=report sh "$checkout/systemd/install.sh" install >/dev/null
    site=$(echo "$root"/usr/lib/scorer/lib/python3*/site-packages)
    doc=$root/usr/share/doc/scorer
    "$root/usr/lib/scorer/bin/python" -IBm pip freeze --exclude scorer >"$doc/libraries.txt"
}

# dpkg knows the files and replaces them, so that pip, and its notes on where files came from, have no place here; nor have the libraries' tests.
leave_out() {
    rm -rf "$site"/pip "$site"/pip-* "$site"/setuptools "$site"/setuptools-* "$site"/pkg_resources "$site"/_distutils_hack \
        "$site"/distutils-precedence.pth
    find "$site" -path '*.dist-info/*' \( -name RECORD -o -name direct_url.json -o -name REQUESTED \) -delete
    find "$root/usr/lib/scorer/bin" -mindepth 1 ! -name 'python*' ! -name scorer ! -name scorer-alert -delete
    for library in numpy scipy pandas sklearn pyarrow lightgbm matplotlib mpl_toolkits joblib certifi; do
        find "$site/$library" -type d \( -name tests -o -path '*/joblib/test' \) -prune -exec rm -rf {} + 2>/dev/null || true
    done
    # What C++ is compiled against.
    rm -rf "$site/pyarrow/include" "$site/pyarrow/src" "$site/numpy/_core/include"
    find "$site" -name '*.so*' -type f -exec chmod 644 {} +
    rm -rf "$root/usr/lib/scorer/include" "$root/usr/lib/scorer/share"
    rm -f "$doc/LICENSE"
}

papers() {
    install -m 644 "$here/copyright" "$doc/copyright"
    gzip -9nc "$checkout/CHANGELOG.md" >"$doc/changelog.gz"
    printf 'scorer (%s-1) bookworm; urgency=medium\n\n  * Version %s; what it brings is in changelog.gz.\n\n -- %s  %s\n' \
        "$version" "$version" "$MAINTAINER" "$(date --utc --date="@$SOURCE_DATE_EPOCH" -R)" | gzip -9n >"$doc/changelog.Debian.gz"
    install -D -m 644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/scorer"
}

# As Debian counts it, in KiB: each file rounded up, and one for each folder. (`du` would tell of this machine's file system.)
size() {
    find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%s\n' -o -printf '1\n' |
        awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }'
}

control() {
    find "$root" -type d -exec chmod 755 {} + # whatever the umask of who built its parts
    mkdir -p "$root/DEBIAN"
    sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$(dpkg --print-architecture)|" \
        -e "s|@MAINTAINER@|$MAINTAINER|" -e "s|@SIZE@|$(size)|" \
        "$here/control" >"$root/DEBIAN/control"
    install -m 644 "$here/conffiles" "$root/DEBIAN/conffiles"
    for script in preinst postinst prerm postrm; do
        install -m 755 "$here/$script" "$root/DEBIAN/$script"
    done
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
}

check_what_is_needed
prepare
put_in_place
leave_out
papers
control
package=$OUT/scorer_${version}-1_$(dpkg --print-architecture).deb
# shellcheck disable=SC2086 # its level is a word of its own
dpkg-deb --root-owner-group -Z$COMPRESSION --build "$root" "$package" >/dev/null
rm -rf "$root"
echo "make deb: $package, $(du -h --apparent-size "$package" | cut -f 1)."
