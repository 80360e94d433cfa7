{#
    The files of a stream that are there now.

    Where they are is the variable `landing`: per stream one location or a list of them. A location
    is a folder (its files that match the stream's pattern), a glob, an s3:// or http(s):// address
    (globs and {a,b} or {1..9} ranges as ClickHouse reads them).

    Arguments: stream: its name; pattern: glob of the file names that belong to it in a folder
    Returns:   list of {path, file_name, location, format, batch_date, file_size, file_mtime}, by
               name; path is what the engine calls the file (_path);
               file_name is the path below the location's fixed part; batch_date comes from the
               date in the name, else from the day the file was written (null when unknown);
               file_size is in bytes, file_mtime in UTC
    Errors:    a compile error that says where it looked when there is no file at all
#}
{% macro landing_files(stream, pattern) %}
    {% set locations = var('landing').get(stream) %}
    {% if not locations %}
        {{ exceptions.raise_compiler_error(
            "No landing location for stream " ~ stream ~ ": set the variable landing, for example "
            ~ "--vars '{landing: {" ~ stream ~ ": path/to/folder}}'."
        ) }}
    {% endif %}
    {% set files = [] %}
    {% for location in ([locations] if locations is string else locations) %}
        {% do files.extend(_list_location(_as_glob(location, pattern))) %}
    {% endfor %}
    {% if not files %}
        {{ exceptions.raise_compiler_error(
            "No files of stream " ~ stream ~ " in " ~ locations ~ ": put files named " ~ pattern
            ~ " (.csv, .jsonl, .parquet, .avro; .gz and .zst too) there, or point the variable "
            ~ "landing at where they are."
        ) }}
    {% endif %}
    {% set names = files | map(attribute='file_name') | list %}
    {% for name in names if names.count(name) > 1 %}
        {{ exceptions.raise_compiler_error(
            "Two files of stream " ~ stream ~ " are both named " ~ name ~ " in " ~ locations
            ~ ": rename one of them, or use one location above both."
        ) }}
    {% endfor %}
    {{ return(files | sort(attribute='file_name')) }}
{% endmacro %}

{# A folder as the glob of the files in it; globs, single files and addresses as they are. #}
{% macro _as_glob(location, pattern) %}
    {% set last = location.rstrip('/').split('/')[-1] %}
    {% if location.endswith('/') or not modules.re.search('[*?{]|[.][a-z0-9]+$', last) %}
        {{ return(location.rstrip('/') ~ '/' ~ pattern) }}
    {% endif %}
    {{ return(location) }}
{% endmacro %}

{% macro _list_location(location) %}
    {% set fixed = modules.re.split('[*?{]', location)[0].rpartition('/')[0] ~ '/' %}
    {% set base = modules.re.sub('^(s3|https?)://[^/]*', '', fixed) if '://' in fixed else fixed %}
    {% set listing %}
        with
        found as (
            select
                _path as path,
                if(
                    position(_path, {{ sql_string(base) }}) > 0,
                    substring(
                        _path,
                        position(_path, {{ sql_string(base) }}) + length({{ sql_string(base) }})
                    ),
                    _file
                ) as file_name,
                _size as file_size,
                _time as file_mtime
            from {{ read_location(location, 'One') }}
        ),
        recognised as (
            select
                *,
                lower(extract(
                    file_name, '(?i)[.](csv|jsonl|ndjson|parquet|avro)(?:[.](?:gz|zst|bz2|xz|lz4))?$'
                )) as extension,
                extract(file_name, '[0-9]{4}-?[0-1][0-9]-?[0-3][0-9]') as date_in_name
            from found
        )
        select
            path,
            file_name,
            extension,
            toString(coalesce(
                toDateOrNull(replaceRegexpOne(
                    replaceAll(date_in_name, '-', ''), '^(....)(..)(..)$', '\\1-\\2-\\3'
                )),
                toDate(file_mtime, 'UTC')
            )) as batch_date,
            toUInt64(file_size) as file_size,
            toString(coalesce(file_mtime, toDateTime(0)), 'UTC') as file_mtime
        from recognised
        where file_size is not null and not startsWith(splitByChar('/', file_name)[-1], '.')
        order by file_name
    {% endset %}
    {% set formats = {
        'csv': 'csv', 'jsonl': 'jsonl', 'ndjson': 'jsonl', 'parquet': 'parquet', 'avro': 'avro'
    } %}
    {% set files = [] %}
    {% set answer = adapter.try_query(listing, fetch=true) %}
    {% if answer.error and 'FILE_DOESNT_EXIST' not in answer.error %}
        {{ exceptions.raise_compiler_error(
            "The landing location " ~ location ~ " cannot be listed: " ~ answer.error
        ) }}
    {% endif %}
    {% for file in answer.rows %}
        {% if file.extension not in formats %}
            {{ log('Not landed, not a known kind of file: ' ~ file.file_name, info=true) }}
        {% else %}
            {% set root = modules.re.match('(s3|https?)://[^/]*', location) %}
            {% set path = file.path.lstrip('/') if root and root.group(1) != 's3' else file.path %}
            {% do files.append({
                'path': file.path,
                'file_name': file.file_name,
                'location': (
                    's3://' ~ file.path.lstrip('/') if root and root.group(1) == 's3'
                    else root.group(0) ~ '/' ~ path if root
                    else file.path
                ),
                'format': formats[file.extension],
                'batch_date': file.batch_date,
                'file_size': file.file_size,
                'file_mtime': file.file_mtime,
            }) %}
        {% endif %}
    {% endfor %}
    {{ return(files) }}
{% endmacro %}
