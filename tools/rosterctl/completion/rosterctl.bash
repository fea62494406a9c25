# bash completion for rosterctl; the commands come from the program itself (rosterctl --list-commands).
_rosterctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word line typed="" skip="" IFS=$' \t\n'
	COMPREPLY=()
	case $prev in
	-c | --config | --ca | --token-file) compopt -o default; return ;;
	-d | --data) compopt -o dirnames; return ;;
	--dialect) mapfile -t COMPREPLY < <(compgen -W "tolerant strict interop" -- "$cur"); return ;;
	--expires) mapfile -t COMPREPLY < <(compgen -W "30d 90d 180d 1y never" -- "$cur"); return ;;
	--format) mapfile -t COMPREPLY < <(compgen -W "jsonl csv ldif" -- "$cur"); return ;;
	--match) mapfile -t COMPREPLY < <(compgen -W "externalId userName id" -- "$cur"); return ;;
	--from) compopt -o default; return ;;
	--overlap) mapfile -t COMPREPLY < <(compgen -W "0s 1h 24h 7d" -- "$cur"); return ;;
	esac
	# The words before the cursor that are no options.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ -n $skip ]]; then
			skip=
		elif [[ $word == -c || $word == --config || $word == -d || $word == --data ]]; then
			skip=yes
		elif [[ $word != -* ]]; then
			typed+="${typed:+ }$word"
		fi
	done
	local words="" complete="" flags=""
	while IFS=$'\t' read -r line flags; do
		if [[ "$typed " == "$line "* ]]; then
			complete=$line
			words=$flags
			break
		elif [[ -z $typed ]]; then
			words+=" ${line%% *}"
		elif [[ $line == "$typed "* ]]; then
			line=${line#"$typed "}
			words+=" ${line%% *}"
		fi
	done < <("${COMP_WORDS[0]}" --list-commands 2>/dev/null)
	[[ -z $typed ]] && words+=" --config --data --json --help --version"
	if [[ $cur != -* ]]; then
		case $complete in
		backup | restore | export | import | "model "*) compopt -o default; return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _rosterctl rosterctl
