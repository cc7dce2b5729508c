import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** Its arguments are proposals; those of the others are files. */
  readonly takesProposals: boolean;
}

/** The completion script of a shell for all visible commands of the program. */
export function completionScript(shell: Shell, root: Command): string {
  const commands = completedCommands(root);
  switch (shell) {
    case 'bash':
      return bashScript(root.name(), commands);
    case 'zsh':
      return zshScript(root.name(), commands);
    case 'fish':
      return fishScript(root.name(), commands);
  }
}

function completedCommands(root: Command): CompletedCommand[] {
  const help = root.createHelp();
  return help
    .visibleCommands(root)
    .filter((command) => command.name() !== 'help')
    .map((command) => ({
      name: command.name(),
      summary: command.summary() || command.description(),
      options: help.visibleOptions(command),
      takesProposals: command.registeredArguments.some((argument) => argument.name().startsWith('NAME')),
    }));
}

function flags({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

/** Single quotes for sh, with nothing in them that ends them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Its value is named for what it is: `--out <dir>`. */
function takesFile({ flags: text }: Option): boolean {
  return /<(?:file|dir|path)(?:\.\.\.)?>$/.test(text);
}

function bashScript(program: string, commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, options, takesProposals }) => {
    const values = options.flatMap((option) => {
      const { argChoices } = option;
      const pattern = flags(option).join('|');
      if (argChoices !== undefined) return [`        ${pattern}) words=${quoted(argChoices.join(' '))} ;;`];
      if (takesFile(option)) return [`        ${pattern}) files=1 ;;`];
      return option.required ? [`        ${pattern}) ;;`] : [];
    });
    const names = takesProposals
      ? `words="$(${program} __complete "\${COMP_WORDS[@]:2:COMP_CWORD-2}" 2>/dev/null)"`
      : 'files=1';
    return `    ${name})
      case "$previous" in
${values.join('\n')}
        *)
          if [[ "$current" == -* ]]; then words=${quoted(options.flatMap(flags).join(' '))}
          else ${names}
          fi ;;
      esac ;;`;
  });
  return `# bash completion for ${program}: source <(${program} completion bash)
_${program}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words='' files=0
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W ${quoted(commands.map(({ name }) => name).join(' '))} -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  if (( files )); then COMPREPLY=($(compgen -f -- "$current"))
  else COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o filenames -F _${program} ${program}
`;
}

function zshScript(program: string, commands: readonly CompletedCommand[]): string {
  const described = (name: string, text: string) => quoted(`${name.replaceAll(':', '\\:')}:${text}`);
  const cases = commands.map(({ name, options, takesProposals }) => {
    const values = options.flatMap((option) => {
      const pattern = flags(option).join('|');
      if (option.argChoices !== undefined)
        return [`        ${pattern}) compadd -- ${option.argChoices.join(' ')}; return ;;`];
      if (takesFile(option)) return [`        ${pattern}) _files; return ;;`];
      return option.required ? [`        ${pattern}) return ;;`] : [];
    });
    const all = options.flatMap((option) => flags(option).map((flag) => described(flag, option.description)));
    return `    ${name})
      case "\${words[CURRENT-1]}" in
${values.join('\n')}
      esac
      options=(${all.join(' ')})
      proposals=${takesProposals ? 1 : 0} ;;`;
  });
  return `#compdef ${program}
# zsh completion for ${program}: ${program} completion zsh > "\${fpath[1]}/_${program}"
_${program}() {
  local -a commands options
  local proposals=0
  commands=(${commands.map(({ name, summary }) => described(name, summary)).join(' ')})
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "\${words[2]}" in
${cases.join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then _describe option options
  elif (( proposals )); then compadd -- \${(f)"$(${program} __complete "\${(@)words[3,CURRENT-1]}" 2>/dev/null)"}
  else _files
  fi
}
if [ "$funcstack[1]" = "_${program}" ]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function fishScript(program: string, commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, summary, options, takesProposals }) => {
    const within = `-n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
    return [
      `complete -c ${program} -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...options.map((option) => {
        const { short, long, description, argChoices, required } = option;
        const parts = [
          ...(short ? [`-s ${short.slice(1)}`] : []),
          ...(long ? [`-l ${long.slice(2)}`] : []),
          ...(argChoices
            ? [`-x -a ${quoted(argChoices.join(' '))}`]
            : required
              ? [takesFile(option) ? '-r' : '-x']
              : []),
        ];
        return `complete -c ${program} ${within} ${parts.join(' ')} -d ${quoted(description)}`;
      }),
      ...(takesProposals
        ? [`complete -c ${program} ${within} -f -a '(${program} __complete (commandline -opc)[3..] 2>/dev/null)'`]
        : []),
    ];
  });
  return `# fish completion for ${program}: ${program} completion fish | source\n${lines.join('\n')}\n`;
}
