# Puts one part of what is too large for one dispatch where a later script finds it:
# KMCP_PART of the folder KMCP_ID, from KMCP_STDIN (base64). It is empty if the disk is full.
umask 077
home=${HOME:-/}
[ -d "${KMCP_HOME-}" ] && home=$KMCP_HOME
dir=$home/Downloads/.kmcp-$KMCP_ID
mkdir -p "$dir"
printf %s "$KMCP_STDIN" | base64 -d >"$dir/.part$KMCP_PART" || : >"$dir/.part$KMCP_PART"
mv -f "$dir/.part$KMCP_PART" "$dir/part$KMCP_PART"
