# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fastdata_global_optspecs
    string join \n data-dir= brokers= backplane= instance-name= kafka= kafka-config= log-format= v/verbose q/quiet color= h/help V/version
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

complete -c fastdata -n "__fish_fastdata_needs_command" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_needs_command" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_needs_command" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_needs_command" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_needs_command" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_needs_command" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_needs_command" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_needs_command" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_needs_command" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_needs_command" -s V -l version -d 'Print version'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "demo" -d 'Show a pipeline, windows and the swap of two models in twenty seconds'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "init" -d 'Write a first pipeline.yaml'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "run" -d 'Run pipelines until interrupted'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "validate" -d 'Check pipeline files and show all errors'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "preview" -d 'Show the first records of each source on their way through the steps'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "graph" -d 'Draw a pipeline'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "diff" -d 'Show what becomes of the state of each step when a pipeline file is edited'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "state" -d 'List and drop the committed state of a pipeline'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "stats" -d 'Show statistics of pipelines: rates, lag, watermarks, steps, models, the ledger'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "query" -d 'Read the state of a step: open windows, running folds'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "seed" -d 'Write records to a topic'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "tail" -d 'Print the records of a topic'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "topics" -d 'List, create, describe and delete topics'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "publish-model" -d 'Publish a model for running pipelines'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "models" -d 'List and show published models'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "score" -d 'Score records with a model file'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "dead" -d 'List, show and replay dead letters: records that a pipeline could not handle'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "infer" -d 'Infer the schema of a source from samples'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "doctor" -d 'Check that this machine meets the requirements'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "explain" -d 'Print a page of the manual, or the list of its subjects'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "schema" -d 'Print the JSON Schema of pipeline files, for editors that complete and check YAML'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "man" -d 'Print the manual page, or write the pages of all commands'
complete -c fastdata -n "__fish_fastdata_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l workers -d 'Number of worker threads; default: the number of cores' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l from -d 'Where to start reading: committed, earliest, latest, recorded, a time, or a file of positions' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l reset -d 'Let a step begin without the state that it cannot read any more, where the pipeline stands' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l on-lost-input -d 'What to do where retention removed records of a source before they were read' -r -f -a "stop\t'End with an error'
skip\t'Go on from the oldest record with the state kept, and count the skipped offsets in the statistics'"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l wait -d 'Wait at the start for brokers and source topics, for at most DURATION, or without one until interrupted' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l until-end -d 'Stop when all records that existed at the start are processed and committed'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l drain -d 'Also close every window at the end of the input'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l replace-outputs -d 'With `--from earliest`: first remove what this pipeline has written, its outputs and its dead letters'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -l dry-run -d 'Check the pipelines and print their plans, but run nothing'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -l online -d 'Also check topics, partitions, access rights and models on the backplane; changes nothing'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -s n -l rows -d 'Records of each source, and the most rows that a table shows' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l output -d 'Output format; JSON has an object for each step, with all of its rows' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand preview" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l format -d 'Format of the drawing' -r -f -a "dot\t'Graphviz'
mermaid\t'Mermaid, for Markdown pages'
text\t'Text, with the physical plan'"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l output -d 'For a person or for a program' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -l running -d 'Compare with the state that is committed on the backplane'
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -f -a "list" -d 'List the committed state, with what the steps of the file make of it'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -f -a "drop" -d 'Remove state that no step of the file goes on with, or that its step cannot read'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and not __fish_seen_subcommand_from list drop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l output -d 'For a person or for a program' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the committed state, with what the steps of the file make of it'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "drop" -d 'Remove state that no step of the file goes on with, or that its step cannot read'
complete -c fastdata -n "__fish_fastdata_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l output -d 'Output format; default: text, or with --follow live on a terminal and JSON elsewhere' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s f -l follow -d 'Update every second: live on a terminal, else as JSON, one object per pipeline'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l key -d 'Only this key: the plain value of one column, or a JSON array of the values of several' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l window -d 'Only windows that contain this time, such as 2026-01-31T12:00:00Z or milliseconds since 1970' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l from -d 'Only windows that start at this time or later' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l to -d 'Only windows that start before this time' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l output -d 'Output format; default: a table on a terminal, else one JSON object per line' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s n -l limit -d 'At most N rows, ordered by window, then by key' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand query" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s t -l topic -d 'Topic to write to' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l from -d 'File with records, or `-` for stdin: one JSON object per line, or separated values' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l generate -d 'Generator file that describes the records' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l format -d 'Format of the file; default: what its extension says, else JSON' -r -f -a "json\t'JSON'
csv\t'Separated values'"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l delimiter -d 'Delimiter of separated values; default: a comma, or a tab in .tsv files' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l columns -d 'Column names, for a file without names in its first row' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l key -d 'Column that becomes the record key; records with the same key go to the same partition' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l rate -d 'Records per second, such as 1000/s or 90/m; default: as fast as possible' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s n -l count -d 'Stop after N records' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l partitions -d 'Number of partitions of a topic that is created; default: 1' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l random-seed -d 'Seed of the generator; the same seed gives the same records' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -l loop -d 'Start over at the end of the records, until interrupted or until `--count` is reached'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand seed" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s t -l topic -d 'The topic' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l from -d 'First record: earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s n -l count -d 'Stop after N records' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l wait -d 'Wait for a topic that does not exist yet, for at most DURATION, or without one until interrupted' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l columns -d 'The columns of --output csv, in their order' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l output -d 'How to print a record: text for people, json and csv for programs, raw for the bare value' -r -f -a "text\t'One line: position, time, key, value'
json\t'One JSON object per line'
csv\t'A header and one line of separated values per record'
raw\t'The value, followed by a line end'"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l format -d 'Format of the values' -r -f -a "auto\t'Recognised value by value: JSON, else text, else bytes'
json\t'JSON'
csv\t'Separated values'
text\t'Text'
bytes\t'Bytes, shown as base64'"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -l until-end -d 'Stop at the end that the topic had at the start'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "list" -d 'List all topics, including internal ones'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "create" -d 'Create a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "describe" -d 'Show the retention, the settings and the partitions of a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "delete" -d 'Delete a topic with all its records'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and not __fish_seen_subcommand_from list create describe delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l output -d 'Output format' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l partitions -d 'Number of partitions' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l retention -d 'Delete records older than this, such as 7d; default: never' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l retention-bytes -d 'Delete the oldest records of a partition larger than this, such as 1GiB; default: never' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l replication -d 'How many brokers of Kafka keep each partition; default: as the cluster says' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l config -d 'A setting of the topic by Kafka\'s name; repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -l compacted -d 'Keep only the latest record of each key'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l output -d 'Output format' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Confirm the deletion; required on a terminal'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "list" -d 'List all topics, including internal ones'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "create" -d 'Create a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "describe" -d 'Show the retention, the settings and the partitions of a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete a topic with all its records'
complete -c fastdata -n "__fish_fastdata_using_subcommand topics; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l name -d 'Name of the model; default: the file name without its extension' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l data-type -d 'Data type that the model serves; default: its name' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l description -d 'Description of the model' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l topic -d 'Topic of models' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -l no-activate -d 'Publish the model without serving it; the current model goes on serving'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand publish-model" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'List every version of every model'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'Show models with their inputs and outputs'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l topic -d 'Topic of models' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l output -d 'Output format' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l topic -d 'Topic of models' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l output -d 'Output format' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "list" -d 'List every version of every model'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show models with their inputs and outputs'
complete -c fastdata -n "__fish_fastdata_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s i -l input -d 'File with records: one JSON object per line, or separated values with the column names in the first row; `-` for stdin' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s o -l output -d 'File for the results; `-` for stdout' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l inputs -d 'Input columns in the order of the model\'s inputs; default: the columns with the names of the inputs or, for a model with one tensor, the columns of the first record' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l format -d 'Format of the file; default: what its extension says, else JSON' -r -f -a "json\t'JSON'
csv\t'Separated values'"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l delimiter -d 'Delimiter of separated values; default: a comma, or a tab in .tsv files' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand score" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -f -a "list" -d 'Count dead letters by reason, step and source topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -f -a "show" -d 'Show dead letters: the reason, the source, and the bytes of the record'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -f -a "replay" -d 'Send the records of dead letters to their source again, each once'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and not __fish_seen_subcommand_from list show replay help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l output -d 'Output format' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -s n -l limit -d 'At most N reasons, the commonest first' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -s n -l count -d 'How many, the newest' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l reason -d 'Only letters with this text in their reason, in any case' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l step -d 'Only letters of this source, step or sink' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l output -d 'Output format' -r -f -a "text\t'Text in lines or a table'
json\t'One JSON object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from help" -f -a "list" -d 'Count dead letters by reason, step and source topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show dead letters: the reason, the source, and the bytes of the record'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from help" -f -a "replay" -d 'Send the records of dead letters to their source again, each once'
complete -c fastdata -n "__fish_fastdata_using_subcommand dead; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l format -d 'Format of the file; default: what its extension says, else JSON' -r -f -a "json\t'JSON'
csv\t'Separated values'"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l delimiter -d 'Delimiter of separated values; default: a comma, or a tab in .tsv files' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l records -d 'Number of records to read' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand infer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l dir -d 'Write the script into this folder instead of printing it; without SHELL, those of bash, zsh and fish' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l dir -d 'Write the pages of all commands and subjects into this folder instead of printing' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l data-dir -d 'Folder of the embedded log; created if it does not exist' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l brokers -d 'Kafka brokers to use instead of the embedded log' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l backplane -d 'Where topics are: without it Kafka if brokers are given, else the embedded log' -r -f -a "embedded\t'The embedded log, even where brokers are given'
kafka\t'Kafka; without brokers nothing runs'"
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l instance-name -d 'Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l kafka -d 'A property of the Kafka client (librdkafka); repeatable' -r
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l kafka-config -d 'File with properties of the Kafka client' -r -F
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l log-format -d 'Format of stderr: log lines, messages and errors' -r -f -a "text\t'Lines for a person'
json\t'All of stderr is JSON, one object per line'"
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -s v -l verbose -d 'Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`'
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -s q -l quiet -d 'Write only results and errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "demo" -d 'Show a pipeline, windows and the swap of two models in twenty seconds'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "init" -d 'Write a first pipeline.yaml'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "run" -d 'Run pipelines until interrupted'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "validate" -d 'Check pipeline files and show all errors'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "preview" -d 'Show the first records of each source on their way through the steps'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "graph" -d 'Draw a pipeline'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "diff" -d 'Show what becomes of the state of each step when a pipeline file is edited'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "state" -d 'List and drop the committed state of a pipeline'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "stats" -d 'Show statistics of pipelines: rates, lag, watermarks, steps, models, the ledger'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "query" -d 'Read the state of a step: open windows, running folds'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "seed" -d 'Write records to a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "tail" -d 'Print the records of a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "topics" -d 'List, create, describe and delete topics'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "publish-model" -d 'Publish a model for running pipelines'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "models" -d 'List and show published models'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "score" -d 'Score records with a model file'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "dead" -d 'List, show and replay dead letters: records that a pipeline could not handle'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "infer" -d 'Infer the schema of a source from samples'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "doctor" -d 'Check that this machine meets the requirements'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "explain" -d 'Print a page of the manual, or the list of its subjects'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "schema" -d 'Print the JSON Schema of pipeline files, for editors that complete and check YAML'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "man" -d 'Print the manual page, or write the pages of all commands'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and not __fish_seen_subcommand_from demo init run validate preview graph diff state stats query seed tail topics publish-model models score dead infer doctor explain schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "list" -d 'List the committed state, with what the steps of the file make of it'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "drop" -d 'Remove state that no step of the file goes on with, or that its step cannot read'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "list" -d 'List all topics, including internal ones'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "create" -d 'Create a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "describe" -d 'Show the retention, the settings and the partitions of a topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from topics" -f -a "delete" -d 'Delete a topic with all its records'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "list" -d 'List every version of every model'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "show" -d 'Show models with their inputs and outputs'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from dead" -f -a "list" -d 'Count dead letters by reason, step and source topic'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from dead" -f -a "show" -d 'Show dead letters: the reason, the source, and the bytes of the record'
complete -c fastdata -n "__fish_fastdata_using_subcommand help; and __fish_seen_subcommand_from dead" -f -a "replay" -d 'Send the records of dead letters to their source again, each once'
