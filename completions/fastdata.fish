# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fastdata_global_optspecs
    string join \n data-dir= brokers= kafka= kafka-config= log-format= v/verbose q/quiet color= h/help V/version
end

function __fish_fastdata_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fastdata_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fastdata_using_subcommand
    set -l cmd (__fish_fastdata_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fastdata -n "__fish_fastdata_needs_command" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_needs_command" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_needs_command" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_needs_command" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_needs_command" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_needs_command" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_needs_command" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_needs_command" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_needs_command" -s V -l version -d 'Print version'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "demo" -d 'See all of it in twenty seconds: records, a pipeline, windows, two models swapped while it runs'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "init" -d 'Write a first pipeline.yaml'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "run" -d 'Run pipelines until stopped'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "validate" -d 'Check pipeline files and say all that is wrong with them'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "graph" -d 'Draw a pipeline'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "stats" -d 'Show what pipelines do: rates, lag, watermarks, steps, models, the ledger'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "query" -d 'Read the state of a step: open windows, running folds'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "seed" -d 'Write records to a topic'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "tail" -d 'Print the records of a topic'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "topics" -d 'List, make, describe and remove topics'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "publish-model" -d 'Publish a model, so that running pipelines serve it'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "models" -d 'List and show published models'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "score" -d 'Score records with a model file'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "infer" -d 'Write the schema of a source from samples'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "doctor" -d 'Check what fastdata needs of this machine'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "schema" -d 'Print the JSON Schema of pipeline files, for editors that complete and check YAML'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "man" -d 'Print the manual page, or write the pages of all commands'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l workers -d 'Threads to work with; default: as many as there are cores' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l from -d 'Where to begin: where the pipeline left off (or at the oldest record), or elsewhere' -r -f -a "earliest\t'At the oldest record, forgetting what was committed'
latest\t'At what comes from now on'
committed\t'Where it left off, else at the oldest record'"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l until-end -d 'Stop when all that was there at the start is done and committed'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l drain -d 'At the end of the input also close every window'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l dry-run -d 'Check everything and print the plan, but run nothing'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l online -d 'Also look at the topics, their partitions, the rights to use them, and the models; changes nothing'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l format -d 'What to draw it as' -r -f -a "dot\t'Graphviz'
mermaid\t'Mermaid, as Markdown pages show it'
text\t'Text, with the physical plan'"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l output -d 'How to write it; default: text, or with --follow what fits the terminal or the pipe' -r -f -a "text\t'A table'
json\t'One JSON object a line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s f -l follow -d 'Keep showing: live on a terminal, else one JSON object a pipeline and second'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l key -d 'Only this key: the value of its column as it is, those of several as a JSON array' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l window -d 'Only the window that holds this moment, such as 2026-01-31T12:00:00Z or milliseconds since 1970' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l from -d 'Only windows that begin at this moment or later' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l to -d 'Only windows that begin before this moment' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l output -d 'How to write it; default: a table on a terminal, else one JSON object a line' -r -f -a "text\t'A table'
json\t'One JSON object a line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s n -l limit -d 'At most so many rows: the first by window, then by key' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s t -l topic -d 'The topic to write to' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l from -d 'Records from a file, or `-` for stdin: one JSON object a line, or rows of separated values' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l generate -d 'Records from a generator file' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l format -d 'What the file holds; default: by its extension, else JSON' -r -f -a "json\t'One JSON object a line'
csv\t'Separated values, one record a row'"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l delimiter -d 'Between the values of a row; default: a comma, in .tsv files a tab' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l columns -d 'Names of the columns of a file that does not begin with them' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l key -d 'Column that becomes the record key; records with one key go to one partition' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l rate -d 'Records per second, such as 1000/s or 90/m; default: as fast as it goes' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s n -l count -d 'Stop after so many records' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l partitions -d 'Partitions to make the topic with, where it does not exist; default: 1' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l random-seed -d 'The same seed gives the same records' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l loop -d 'Begin again when the records end, until interrupted or `--count` is reached'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s t -l topic -d 'The topic' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l from -d 'Where to begin: earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s n -l count -d 'Stop after so many records' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l output -d 'How to write each record: text for a person, json for a program, raw for the value as it is' -r -f -a "text\t'One line: place, time, key, value'
json\t'One JSON object a line'
raw\t'The value and a line end'"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l format -d 'What the values are; by default each is taken for JSON, text or bytes by what it holds' -r -f -a "auto\t'JSON where it is JSON, else text where it is text, else bytes'
json\t'JSON'
csv\t'Separated values: a list of strings'
text\t'Text'
bytes\t'Bytes, written as base64'"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l until-end -d 'Stop at the end of what was there at the start'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "list" -d 'List all topics, internal ones too'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "create" -d 'Make a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "describe" -d 'Show how a topic is kept and what each of its partitions holds'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "delete" -d 'Remove a topic with all its records'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l output -d 'How to write it' -r -f -a "text\t'A table'
json\t'One JSON object a line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l partitions -d 'How many partitions' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l retention -d 'Remove records that are older than this, such as 7d; default: never' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l retention-bytes -d 'Remove the oldest records of a partition that holds more than this, such as 1GiB; default: never' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l compacted -d 'Keep only the latest record of each key'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l output -d 'How to write it' -r -f -a "text\t'A table'
json\t'One JSON object a line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Needed on a terminal, because what is removed does not come back'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "list" -d 'List all topics, internal ones too'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "describe" -d 'Show how a topic is kept and what each of its partitions holds'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Remove a topic with all its records'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l name -d 'Name of the model; default: the file\'s, without its extension' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l data-type -d 'The data type that it serves; default: its name' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l description -d 'What a person should know about it' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l topic -d 'The topic of models' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l no-activate -d 'Publish it, but let the model before it go on serving'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'List every version of every model'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'Show models with their inputs and outputs'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l topic -d 'The topic of models' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l output -d 'How to write it' -r -f -a "text\t'A table'
json\t'One JSON object a line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l topic -d 'The topic of models' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l output -d 'How to write it' -r -f -a "text\t'A table'
json\t'One JSON object a line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "list" -d 'List every version of every model'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show models with their inputs and outputs'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s i -l input -d 'The records: one JSON object a line, or rows of separated values that begin with the names of the columns; `-` for stdin' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s o -l output -d 'Where to write the results; `-` for stdout' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l inputs -d 'The columns in the order in which the model takes them; default: by the model\'s names, and for a model with one tensor the columns of the first record' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l format -d 'What the file holds; default: by its extension, else JSON' -r -f -a "json\t'One JSON object a line'
csv\t'Separated values, one record a row'"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l delimiter -d 'Between the values of a row; default: a comma, in .tsv files a tab' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l format -d 'What the file holds; default: by its extension, else JSON' -r -f -a "json\t'One JSON object a line'
csv\t'Separated values, one record a row'"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l delimiter -d 'Between the values of a row; default: a comma, in .tsv files a tab' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l records -d 'How many records to look at' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l dir -d 'Write files into this folder instead of printing: of the shell, or of bash, zsh and fish' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l dir -d 'Write one page a command into this folder instead of printing' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l data-dir -d 'Folder of the embedded log; made where it is not there' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l kafka -d 'A property of the Kafka client; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l log-format -d 'How log lines are written to stderr' -r -f -a "text\t''
json\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -s v -l verbose -d 'More log lines: -v debug, -vv trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -s q -l quiet -d 'Only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -s h -l help -d 'Print help'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "demo" -d 'See all of it in twenty seconds: records, a pipeline, windows, two models swapped while it runs'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "init" -d 'Write a first pipeline.yaml'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "run" -d 'Run pipelines until stopped'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "validate" -d 'Check pipeline files and say all that is wrong with them'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "graph" -d 'Draw a pipeline'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "stats" -d 'Show what pipelines do: rates, lag, watermarks, steps, models, the ledger'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "query" -d 'Read the state of a step: open windows, running folds'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "seed" -d 'Write records to a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "tail" -d 'Print the records of a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "topics" -d 'List, make, describe and remove topics'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "publish-model" -d 'Publish a model, so that running pipelines serve it'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "models" -d 'List and show published models'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "score" -d 'Score records with a model file'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "infer" -d 'Write the schema of a source from samples'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "doctor" -d 'Check what fastdata needs of this machine'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "schema" -d 'Print the JSON Schema of pipeline files, for editors that complete and check YAML'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "completions" -d 'Print completions for a shell'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "man" -d 'Print the manual page, or write the pages of all commands'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate graph stats query seed tail topics publish-model models score infer doctor schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "list" -d 'List all topics, internal ones too'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "create" -d 'Make a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "describe" -d 'Show how a topic is kept and what each of its partitions holds'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "delete" -d 'Remove a topic with all its records'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "list" -d 'List every version of every model'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "show" -d 'Show models with their inputs and outputs'
