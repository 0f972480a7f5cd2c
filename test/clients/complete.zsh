# zsh -f complete.zsh FOLDER LINE PATTERN: what an interactive shell, with FOLDER in its fpath, shows for a tab behind LINE, until
# that matches PATTERN.
zmodload zsh/zpty
zpty shell "TERM=dumb PS1='% ' zsh -f -i"

until_seen() {
  local part seen=
  for (( i = 0; i < 400; i++ )); do
    while zpty -r -t shell part; do seen+=$part; done
    [[ $seen == $~1 ]] && break
    sleep 0.05
  done
  print -r -- $seen
}

zpty -w shell "fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; setopt no_beep; LISTMAX=0; print REA''DY"
until_seen '*READY*' > /dev/null
zpty -w -n shell "$2"$'\t'
until_seen $3
zpty -d shell
