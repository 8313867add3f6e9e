#!/bin/sh
# Installs kasm-mcp as a systemd service, upgrades it, or removes it. docs/deployment.md explains.
#
#   curl -fsSL https://github.com/kasm-mcp/kasm-mcp/releases/latest/download/install.sh | sudo sh
#
# Everything is inside functions and the last line calls main, so that half a download does nothing.
set -u
umask 022

RELEASES=${KASM_MCP_RELEASES:-https://github.com/kasm-mcp/kasm-mcp/releases}
REPOSITORY=${KASM_MCP_REPOSITORY:-https://github.com/kasm-mcp/kasm-mcp}
REQUIRED="KASM_API_URL KASM_API_KEY KASM_API_SECRET KASM_USER_ID"
ACCOUNT=kasm-mcp

usage() {
    cat << 'TEXT'
install.sh [OPTIONS]

What to install (default: the newest release, its SHA-256 checked):
  --version VERSION    this release
  --url URL            this archive; URL.sha256 has its hash
  --sha256 HASH        the hash that the archive or binary must have
  --archive FILE       a release archive on this machine
  --binary FILE        a kasm-mcp binary on this machine
  --from-source [DIR]  build it with cargo, from DIR or a clone

How:
  --prefix DIR         install into the root directory DIR, start nothing
  --reconfigure        values of the environment replace those of the configuration
  --no-start           do not start the service
  --yes                never ask
  --dry-run            change nothing, say what would be done
  --uninstall          remove program and service, keep configuration and state
  --purge              with --uninstall: remove these and the user too

Settings are taken from the environment (KASM_API_URL, KASM_API_KEY, KASM_API_SECRET, KASM_USER_ID and
any other of .env.example; also NAME_FILE for NAME), else from the configuration that is there, else
asked for on the terminal. Without MCP_AUTH_TOKEN a token is made.
TEXT
}

say() { printf '%s\n' "$@"; }
note() { printf 'note: %s\n' "$*" >&2; }
die() { # die CODE MESSAGE...
    code=$1
    shift
    printf 'install.sh: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit "$code"
}
need() { command -v "$1" > /dev/null 2>&1 || die 1 "needs \`$1\`, which is not installed"; }
run() { # run COMMAND...: or say that it would be run
    if [ -n "$DRY" ]; then
        say "would run: $*"
    else
        "$@" < /dev/null || die 1 "failed: $*"
    fi
}

parse() {
    SOURCE=release FROM='' VERSION=${KASM_MCP_VERSION:-} SHA256=${KASM_MCP_SHA256:-} PREFIX=''
    DRY='' START=yes ASK=yes REMOVE='' PURGE='' RECONFIGURE=''
    while [ $# -gt 0 ]; do
        case $1 in
            --version | --url | --sha256 | --archive | --binary | --prefix)
                [ $# -gt 1 ] || die 64 "$1 needs a value (--help lists the options)"
                ;;
        esac
        case $1 in
            --version) VERSION=$2 && shift ;;
            --url) SOURCE=url FROM=$2 && shift ;;
            --sha256) SHA256=$2 && shift ;;
            --archive) SOURCE=archive FROM=$2 && shift ;;
            --binary) SOURCE=binary FROM=$2 && shift ;;
            --from-source)
                SOURCE=source
                case ${2:-} in '' | -*) ;; *) FROM=$2 && shift ;; esac
                ;;
            --prefix) PREFIX=${2%/} && shift ;;
            --reconfigure) RECONFIGURE=yes ;;
            --no-start) START='' ;;
            --yes | -y) ASK='' ;;
            --dry-run) DRY=yes ;;
            --uninstall) REMOVE=yes ;;
            --purge) PURGE=yes ;;
            --help | -h) usage && exit 0 ;;
            *) die 64 "there is no option $1 (--help lists them)" ;;
        esac
        shift
    done
    [ -z "$PURGE" ] || [ -n "$REMOVE" ] || die 64 "--purge goes with --uninstall"
    BIN=$PREFIX/usr/local/bin/kasm-mcp
    PAGES=$PREFIX/usr/local/share/man/man1
    COMPLETIONS=$PREFIX/usr/local/share/bash-completion/completions
    UNIT=$PREFIX/etc/systemd/system/kasm-mcp.service
    ETC=$PREFIX/etc/kasm-mcp
    CONFIG=$ETC/kasm-mcp.env
    STATE=$PREFIX/var/lib/kasm-mcp
    LOGS=$PREFIX/var/log/kasm-mcp
}

systemd_runs() { [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; }

# ---- settings -----------------------------------------------------------------------------------

value_in_config() { # value_in_config NAME
    [ -r "$CONFIG" ] || return 0
    awk -v name="$1" '
        index($0, name "=") == 1 { value = substr($0, length(name) + 2) }
        END {
            quote = substr(value, 1, 1)
            if ((quote == "\"" || quote == "\047") && substr(value, length(value)) == quote)
                value = substr(value, 2, length(value) - 2)
            print value
        }' "$CONFIG"
}

value_in_environment() { # value_in_environment NAME
    eval "value=\${$1:-} file=\${${1}_FILE:-}"
    if [ -z "$value" ] && [ -n "$file" ]; then
        [ -r "$file" ] || die 64 "cannot read $file, which ${1}_FILE names"
        value=$(cat "$file")
    fi
    printf '%s' "$value"
}

can_ask() { [ -n "$ASK" ] && [ -z "$DRY" ] && (: < /dev/tty > /dev/tty) 2> /dev/null; }

ask() { # ask NAME: prints the answer
    case $1 in
        KASM_API_URL) text="Address of the Kasm server, such as https://kasm.example.org" ;;
        KASM_API_KEY) text="API key (Kasm: Settings, Developers, Add API Key)" ;;
        KASM_API_SECRET) text="Secret of the API key (not shown)" ;;
        *) text="Id of the Kasm user for the agent, 32 hex digits (Access Management, Users)" ;;
    esac
    saved=$(stty -g < /dev/tty)
    trap 'stty "$saved" < /dev/tty' EXIT
    trap 'exit 130' INT TERM
    [ "$1" != KASM_API_SECRET ] || stty -echo < /dev/tty
    for _ in 1 2 3; do
        printf '%s: ' "$text" > /dev/tty
        IFS= read -r answer < /dev/tty || exit 1
        [ "$1" != KASM_API_SECRET ] || printf '\n' > /dev/tty
        problem=$(wrong_value "$1" "$answer")
        [ -n "$problem" ] || break
        printf 'That %s.\n' "$problem" > /dev/tty
    done
    printf '%s' "$answer"
}

wrong_value() { # wrong_value NAME VALUE: prints what is wrong with it, if anything
    case $2 in *"'"* | *"$NEWLINE"*) say "has a quote or a line break in it" && return ;; esac
    case $1 in
        KASM_API_URL) case $2 in http://?* | https://?*) ;; *) say "is not an http or https URL" ;; esac ;;
        KASM_USER_ID)
            digits=$(printf '%s' "$2" | tr -d -- -)
            case $digits in *[!0-9a-fA-F]*) say "is not a user id: 32 hex digits" && return ;; esac
            [ ${#digits} -eq 32 ] || say "is not a user id: 32 hex digits"
            ;;
        MCP_AUTH_TOKEN) [ ${#2} -ge 16 ] || say "is shorter than 16 characters" ;;
    esac
}

# Sets every required variable, or ends and names all that are missing or wrong.
gather() {
    missing=''
    for name in $REQUIRED; do
        there=$(value_in_config "$name")$(value_in_config "${name}_FILE")
        given=$(value_in_environment "$name") || exit
        if [ -n "$there" ] && [ -z "$RECONFIGURE" ]; then
            [ -z "$given" ] || [ "$given" = "$there" ] ||
                note "$name stays as it is in $CONFIG; --reconfigure takes the new value"
            given=$there
        fi
        given=${given:-$there}
        if [ -z "$given" ] && can_ask; then given=$(ask "$name") || die 130 "stopped; nothing was changed"; fi
        eval "$name=\$given"
        problem=$(wrong_value "$name" "$given")
        if [ -z "$given" ]; then
            missing="$missing$name is not set$NEWLINE"
        elif [ -n "$problem" ]; then
            missing="$missing$name $problem$NEWLINE"
        fi
    done
    given=$(value_in_environment MCP_AUTH_TOKEN) || exit
    problem=''
    [ -z "$given" ] || problem=$(wrong_value MCP_AUTH_TOKEN "$given")
    [ -z "$problem" ] || missing="${missing}MCP_AUTH_TOKEN $problem$NEWLINE"
    [ -n "$missing" ] || return 0
    if [ -n "$DRY" ]; then
        printf '%s' "$missing" | while IFS= read -r line; do say "would ask or stop: $line"; done
        return 0
    fi
    printf 'install.sh: the settings are not complete:\n' >&2
    printf '%s' "$missing" | sed 's/^/  /' >&2
    die 64 "set them in the environment, or run this in a terminal. Nothing was changed." \
        "curl -fsSL URL | sudo env KASM_API_URL=https://… KASM_API_KEY_FILE=… KASM_API_SECRET_FILE=… KASM_USER_ID=… sh"
}

# The lines that the configuration is to get.
new_lines() {
    names=$("$STAGED" settings --format env | sed -n 's/^#\{0,1\}\([A-Z_][A-Z_]*\)=.*/\1/p')
    for name in $names; do
        there=$(value_in_config "$name")$(value_in_config "${name}_FILE")
        given=$(value_in_environment "$name")
        if [ "$name" = MCP_AUTH_TOKEN ]; then
            tokens=$(value_in_environment MCP_TOKENS_FILE)$(value_in_config MCP_TOKENS_FILE)
            if [ -z "$there$given$tokens" ] && [ ! -f "$STATE/tokens.toml" ]; then given=$TOKEN; fi
        fi
        if [ -z "$given" ] || [ "$given" = "$there" ]; then continue; fi
        if [ -n "$there" ] && [ -z "$RECONFIGURE" ]; then continue; fi
        problem=$(wrong_value "$name" "$given")
        if [ -n "$problem" ]; then note "$name $problem: left out" && continue; fi
        # Single quotes mean the same to systemd and to a shell.
        say "$name='$given'"
    done
}

write_config() {
    TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
    lines=$(new_lines)
    case $lines in *"MCP_AUTH_TOKEN='$TOKEN'"*) ;; *) TOKEN='' ;; esac
    if [ -f "$CONFIG" ] && [ -z "$lines" ]; then
        say "kept $CONFIG as it is"
        return
    fi
    (
        umask 077
        {
            if [ -f "$CONFIG" ]; then
                # The lines that come back with a new value are left out.
                given=$(printf '%s\n' "$lines" | sed 's/=.*//')
                awk -F= -v given="$given" '
                    BEGIN {
                        count = split(given, names, "\n")
                        for (i = 1; i <= count; i++) { drop[names[i]]; drop[names[i] "_FILE"] }
                    }
                    !($1 in drop)' "$CONFIG"
            else
                say "# Settings of kasm-mcp, for systemd and for people. \`kasm-mcp settings\` lists all settings."
                say "# After a change: systemctl restart kasm-mcp"
            fi
            printf '%s\n' "$lines"
        } > "$CONFIG.new"
    ) || die 1 "cannot write $CONFIG.new"
    mv -f "$CONFIG.new" "$CONFIG" || die 1 "cannot write $CONFIG"
    say "wrote $CONFIG"
}

# Runs a command with the settings, without letting a shell read their file.
with_config() {
    (
        while IFS= read -r line; do
            case $line in
                *[!A-Z0-9_]*=*) ;;
                [A-Z]*=*)
                    value=${line#*=}
                    case $value in
                        \'*\' | \"*\") value=${value#?} value=${value%?} ;;
                    esac
                    export "${line%%=*}=$value"
                    ;;
            esac
        done < "$CONFIG"
        "$@"
    )
}

# ---- the program ----------------------------------------------------------------------------------

target() {
    [ "$(uname -s)" = Linux ] || die 1 "there are releases for Linux only; elsewhere: cargo install --path ."
    case $(uname -m) in
        x86_64 | amd64) echo x86_64-linux-gnu ;;
        aarch64 | arm64) echo aarch64-linux-gnu ;;
        *) die 1 "there is no release for $(uname -m): use --from-source" ;;
    esac
}

hash_of() { # hash_of FILE
    if command -v sha256sum > /dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        need openssl
        openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
    fi
}

check_hash() { # check_hash FILE WANTED
    wanted=$(printf '%s' "$2" | tr A-F a-f)
    found=$(hash_of "$1")
    if [ -z "$found" ] || [ "$found" != "$wanted" ]; then
        die 1 "the SHA-256 is wrong, so nothing is installed" "wanted: ${wanted:-none}" "found:  $found"
    fi
}

download() { # download URL FILE
    need curl
    case $1 in
        https://*) set -- "$1" "$2" --proto '=https' --proto-redir '=https' --tlsv1.2 ;;
        file://*) ;;
        *) [ -n "$SHA256" ] || die 64 "$1 is not https: give the hash with --sha256 or KASM_MCP_SHA256" ;;
    esac
    from=$1 to=$2
    shift 2
    curl -fsSL --retry 3 --connect-timeout 20 "$@" -o "$to" "$from" < /dev/null ||
        die 1 "cannot download $from" "--archive installs a file, --from-source builds one"
}

unpack() { # unpack ARCHIVE
    run mkdir "$WORK/unpacked"
    tar -xzf "$1" -C "$WORK/unpacked" || die 1 "$1 is no release archive"
    STAGED=$(find "$WORK/unpacked" -type f -name kasm-mcp | head -n 1)
    [ -n "$STAGED" ] || die 1 "there is no kasm-mcp in $1"
    UNIT_SOURCE=$(find "$WORK/unpacked" -type f -name kasm-mcp.service | head -n 1)
}

build() {
    here=$(dirname "$0")
    [ -n "$FROM" ] || [ ! -f "$here/Cargo.toml" ] || FROM=$here
    if [ -z "$FROM" ]; then
        need git
        FROM=$WORK/source
        git clone --quiet --depth 1 ${VERSION:+--branch "v$VERSION"} "$REPOSITORY" "$FROM" < /dev/null ||
            die 1 "cannot clone $REPOSITORY"
    fi
    # sudo drops the search path on which rustup puts cargo.
    home=$(awk -F: -v name="${SUDO_USER:-root}" '$1 == name { print $6 }' /etc/passwd)
    PATH=$PATH:$home/.cargo/bin
    command -v cargo > /dev/null 2>&1 || die 1 "--from-source needs cargo: https://rustup.rs"
    say "building in $FROM, which takes many minutes"
    (cd "$FROM" && RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup} CARGO_HOME=${CARGO_HOME:-$home/.cargo} \
        CARGO_TARGET_DIR=$WORK/target cargo build --profile dist --locked --bin kasm-mcp < /dev/null) ||
        die 1 "the build failed"
    STAGED=$WORK/target/dist/kasm-mcp UNIT_SOURCE=$FROM/kasm-mcp.service
}

# Sets STAGED, a binary that is verified and runs, and UNIT_SOURCE.
stage() {
    case $SOURCE in
        binary)
            [ -f "$FROM" ] || die 64 "there is no file $FROM"
            STAGED=$WORK/kasm-mcp UNIT_SOURCE=$(dirname "$0")/kasm-mcp.service
            [ -f "$UNIT_SOURCE" ] || UNIT_SOURCE=$(dirname "$FROM")/kasm-mcp.service
            cp "$FROM" "$STAGED" || die 1 "cannot copy $FROM"
            [ -z "$SHA256" ] || check_hash "$STAGED" "$SHA256"
            chmod 755 "$STAGED"
            ;;
        archive)
            [ -f "$FROM" ] || die 64 "there is no file $FROM"
            [ -n "$SHA256" ] || [ ! -f "$FROM.sha256" ] || SHA256=$(cut -d ' ' -f 1 "$FROM.sha256")
            if [ -n "$SHA256" ]; then check_hash "$FROM" "$SHA256"; else note "$FROM has no hash to check"; fi
            unpack "$FROM"
            ;;
        source) build ;;
        *)
            download "$FROM" "$WORK/archive.tar.gz"
            [ -n "$SHA256" ] || { download "$FROM.sha256" "$WORK/sha256" && SHA256=$(cut -d ' ' -f 1 "$WORK/sha256"); }
            check_hash "$WORK/archive.tar.gz" "$SHA256"
            unpack "$WORK/archive.tar.gz"
            ;;
    esac
    NEW=$("$STAGED" --version 2> /dev/null) || die 1 "the program does not run on this machine"
}

# ---- putting it in place --------------------------------------------------------------------------

account_id() { # account_id FIELD FILE
    awk -F: -v name=$ACCOUNT -v field="$1" '$1 == name { print $field }' "$PREFIX$2" 2> /dev/null
}

make_account() {
    [ -z "$(account_id 3 /etc/passwd)" ] || return 0
    if [ "$(id -u)" -ne 0 ] || [ ! -f "$PREFIX/etc/passwd" ]; then
        [ -n "$DRY" ] || note "the user $ACCOUNT was not made: $PREFIX has no users, or you are not root"
        return 0
    fi
    need useradd
    run useradd ${PREFIX:+--prefix "$PREFIX"} --system --user-group --no-create-home \
        --home-dir /var/lib/kasm-mcp --shell /usr/sbin/nologin $ACCOUNT
}

directory() { # directory MODE OWNER GROUP PATH
    if [ "$(id -u)" -ne 0 ] || [ -z "$2$3" ]; then
        run install -d -m "$1" "$4"
    else
        run install -d -m "$1" -o "$2" -g "$3" "$4"
    fi
}

put() {
    make_account
    uid=$(account_id 3 /etc/passwd) gid=$(account_id 4 /etc/passwd)
    directory 755 '' '' "$(dirname "$BIN")"
    directory 750 0 "${gid:-0}" "$ETC"
    directory 750 "${uid:-0}" "${gid:-0}" "$STATE"
    directory 750 "${uid:-0}" "${gid:-0}" "$LOGS"
    if [ -n "$DRY" ]; then
        say "would write: $CONFIG (0600), unless it is complete; a token, unless there is one"
    else
        write_config
    fi
    # By rename: the program may be running.
    run install -m 755 "$STAGED" "$BIN.new"
    run mv -f "$BIN.new" "$BIN"
    # Others install there too, so the mode of what is there stays.
    for place in "$PAGES" "$COMPLETIONS"; do
        [ -d "$place" ] || directory 755 '' '' "$place"
    done
    if [ -n "$DRY" ]; then
        say "would write: manual pages into $PAGES, and $COMPLETIONS/kasm-mcp"
    else
        { "$BIN" man "$PAGES" && "$BIN" completions bash > "$COMPLETIONS/kasm-mcp"; } ||
            note "manual pages and completions were not written"
    fi
    if [ -n "$DRY" ] || [ -f "$UNIT_SOURCE" ]; then
        directory 755 '' '' "$(dirname "$UNIT")"
        run install -m 644 "$UNIT_SOURCE" "$UNIT"
    else
        note "no kasm-mcp.service was found beside the program, so there is no service"
        START=''
    fi
}

start() {
    if ! systemd_runs || [ -z "$START" ]; then
        say "Not started. With systemd: systemctl daemon-reload && systemctl enable --now kasm-mcp"
        say "Without: set -a; . $CONFIG; set +a; setpriv --reuid=$ACCOUNT --regid=$ACCOUNT --clear-groups $BIN"
        return
    fi
    run systemctl daemon-reload
    run systemctl enable --quiet kasm-mcp.service
    [ -z "$DRY" ] || { run systemctl restart kasm-mcp.service && return; }
    # systemd waits until the service says that it listens.
    if ! systemctl restart kasm-mcp.service < /dev/null || ! with_config "$BIN" health > /dev/null; then
        journalctl -u kasm-mcp.service -n 20 --no-pager >&2 < /dev/null
        die 1 "the service does not start; its last words are above"
    fi
    say "kasm-mcp.service runs"
}

# Whether Kasm accepts what was given; the service is up either way.
check() {
    if [ -n "$PREFIX" ] || [ -z "$START" ]; then return; fi
    say "" "Checking with \`kasm-mcp check\`:"
    with_config "$BIN" check < /dev/null || note "correct $CONFIG, then: systemctl restart kasm-mcp"
}

report() {
    port=$(value_in_config MCP_SERVER_PORT)
    url=$(value_in_config MCP_PUBLIC_URL)
    url=${url:-http://$(uname -n):${port:-8080}}
    url=${url%/mcp}/mcp
    token=${TOKEN:-YOUR_TOKEN}
    say "" "$NEW is installed." ""
    if [ -n "$TOKEN" ]; then
        say "  Token  $TOKEN   (made now, shown once; it is in $CONFIG)"
    else
        say "  Token  the one in $CONFIG"
    fi
    cat << TEXT
  URL    $url
TEXT
    for client in cline claude-code; do
        say ""
        KASM_MCP_TOKEN=$token "$BIN" connect $client --url "$url" 2>&1 < /dev/null
    done
    cat << TEXT

\`kasm-mcp connect\` lists other clients.
Put a proxy with TLS in front before you serve a network; docs/deployment.md has three.
TEXT
}

uninstall() {
    if systemd_runs && [ -f "$UNIT" ]; then
        run systemctl disable --quiet --now kasm-mcp.service
    fi
    run rm -f "$UNIT" "$BIN" "$PAGES/kasm-mcp.1" "$PAGES"/kasm-mcp-*.1 "$COMPLETIONS/kasm-mcp"
    if systemd_runs; then run systemctl daemon-reload; fi
    if [ -z "$PURGE" ]; then
        say "Removed. Kept: $ETC, $STATE, $LOGS and the user $ACCOUNT; --uninstall --purge removes them."
        return
    fi
    run rm -rf "$ETC" "$STATE" "$LOGS"
    if [ -n "$(account_id 3 /etc/passwd)" ] && [ "$(id -u)" -eq 0 ]; then
        run userdel ${PREFIX:+--prefix "$PREFIX"} $ACCOUNT
    fi
    say "Removed, with configuration and state."
}

clean() { [ -z "${WORK:-}" ] || rm -rf "$WORK"; }

main() {
    NEWLINE='
'
    WORK='' TOKEN='' NEW='' STAGED='' UNIT_SOURCE=''
    parse "$@"
    [ -n "$DRY" ] || [ -n "$PREFIX" ] || [ "$(id -u)" -eq 0 ] ||
        die 1 "needs root: … | sudo sh" "--dry-run shows what would be done, --prefix installs elsewhere"
    if [ -n "$REMOVE" ]; then
        uninstall
        return
    fi
    if [ "$SOURCE" = release ]; then
        at=latest/download
        [ -z "$VERSION" ] || at=download/v${VERSION#v}
        FROM=$RELEASES/$at/kasm-mcp-$(target).tar.gz || exit
    fi
    gather
    if [ -n "$DRY" ]; then
        say "would install: $SOURCE ${FROM:-of the repository}, with its SHA-256 checked where there is one"
        STAGED=kasm-mcp UNIT_SOURCE=kasm-mcp.service
        put
        start
        return
    fi
    trap clean EXIT
    trap 'exit 130' INT TERM
    WORK=$(mktemp -d) || die 1 "cannot make a temporary directory"
    stage
    put
    start
    check
    report
}

main "$@"
