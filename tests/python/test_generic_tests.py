"""Every generic test fires on bad data, stays quiet on good data and fails where there is none.

A throw-away dbt project holds small models and many instances of the tests on them. It is built
for two sets of engine settings, since a project that uses the tests brings its own.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import yaml
from dbt.artifacts.schemas.results import NodeStatus
from dbt.cli.main import dbtRunner

import dbt_sluicegate

GENERIC_TESTS = Path(__file__).resolve().parents[1] / "generic"
MACROS = Path(__file__).resolve().parents[2] / "macros"

SETTINGS: dict[str, dict[str, int]] = {
    "usual_settings": {"join_use_nulls": 1},
    "other_settings": {
        "join_use_nulls": 0,
        "transform_null_in": 1,
        "prefer_column_name_to_alias": 1,
    },
}

# The models of the project, each with its tests. What a bad_ test is expected to find stands in its
# config.meta: how many failures, and the message of one of them.
MODELS = r"""
- name: fields
  sql: |
    select
        'x' as complete,
        toInt64(number) as number_from_zero,
        if(number = 3, null, toString(number)) as with_null,
        if(number = 3, '', 'x') as with_empty_text,
        if(number = 3, ' \t\n', ' x ') as with_blanks,
        toLowCardinality(if(number = 3, null, 'x')) as with_null_of_few_values,
        toFixedString(if(number = 3, '', 'x'), 4) as with_empty_fixed_text,
        if(number = 3, null, toInt64(number)) as with_null_number,
        if(number = 3, null, toDate('2025-03-01')) as with_null_date,
        if(number = 3, null, 'x') as settings,
        if(number = 3, null, 'x') as rows_total
    from numbers(10)
  columns:
    - name: complete
      data_tests:
        - mandatory_field: {name: good_field_complete}
        - mandatory_field:
            name: bad_field_of_no_rows_left_by_where
            config: {where: "complete = 'y'", meta: {failures: 1, message: no rows}}
    - name: number_from_zero
      data_tests:
        - mandatory_field: {name: good_field_zero_is_a_value}
    - name: with_null
      data_tests:
        - mandatory_field: {name: good_field_rate_just_allowed, arguments: {allowed_rate: 0.1}}
        - mandatory_field:
            name: good_field_of_the_rows_that_need_it
            config: {where: number_from_zero != 3}
        - mandatory_field:
            name: bad_field_rate_above_the_allowed
            arguments: {allowed_rate: 0.05}
            config:
              store_failures: true
              meta: {failures: 1, message: "missing_rate=0.1 (max 0.05): 1 of 10 rows"}
        - mandatory_field:
            name: bad_field_with_null
            config: {meta: {failures: 1, message: "missing_rate=0.1 (max 0): 1 of 10 rows"}}
    - name: with_empty_text
      data_tests:
        - mandatory_field: {name: bad_field_with_empty_text, config: {meta: {failures: 1}}}
    - name: with_blanks
      data_tests:
        - mandatory_field: {name: bad_field_with_blanks, config: {meta: {failures: 1}}}
    - name: with_null_of_few_values
      data_tests:
        - mandatory_field: {name: bad_field_with_null_of_few_values, config: {meta: {failures: 1}}}
    - name: with_empty_fixed_text
      data_tests:
        - mandatory_field: {name: bad_field_with_empty_fixed_text, config: {meta: {failures: 1}}}
    - name: with_null_number
      data_tests:
        - mandatory_field: {name: bad_field_with_null_number, config: {meta: {failures: 1}}}
    - name: with_null_date
      data_tests:
        - mandatory_field: {name: bad_field_with_null_date, config: {meta: {failures: 1}}}
    - name: settings
      data_tests:
        - mandatory_field:
            name: bad_field_named_settings_under_a_limit
            config: {limit: 5, meta: {failures: 1}}
    - name: rows_total
      data_tests:
        - mandatory_field: {name: bad_field_named_like_a_count, config: {meta: {failures: 1}}}

- name: no_fields
  sql: select '' as client_id where false
  columns:
    - name: client_id
      data_tests:
        - mandatory_field:
            name: good_field_of_no_rows_where_that_is_right
            arguments: {allow_empty: true}
        - mandatory_field:
            name: bad_field_of_no_rows_whatever_the_rate
            arguments: {allowed_rate: 1}
            config: {meta: {failures: 1, message: "no rows, so nothing shows that the field is"}}
  data_tests:
    - no_duplicate_events:
        name: good_duplicates_of_no_events_where_that_is_right
        arguments: {keys: [client_id], allow_empty: true}
    - no_duplicate_events:
        name: bad_duplicates_of_no_events
        arguments: {keys: [client_id]}
        config: {meta: {failures: 1, message: "no rows, so no events"}}

# a is there three times, A once, NULL twice.
- name: repeated_events
  sql: |
    select
        arrayElement(['a', 'a', 'a', 'A', 'b', null, null], number + 1) as client_id,
        toLowCardinality('page_viewed') as event_name,
        number as settings
    from numbers(7)
  data_tests:
    - no_duplicate_events: {name: good_duplicates_of_a_key, arguments: {keys: [settings]}}
    - no_duplicate_events:
        name: good_duplicates_of_keys_that_differ_together
        arguments: {keys: [event_name, client_id, settings]}
    - no_duplicate_events:
        name: good_duplicates_left_out
        arguments: {keys: [client_id]}
        config: {where: "settings in (2, 3, 4, 5)"}
    - no_duplicate_events:
        name: bad_duplicates_beyond_the_first
        arguments: {keys: [event_name, client_id]}
        config:
          store_failures: true
          meta: {failures: 3, message: "copies=3 (max 1) of event_name=page_viewed, client_id=a"}
    - no_duplicate_events:
        name: bad_duplicates_of_null
        arguments: {keys: [client_id]}
        config:
          where: client_id is null
          meta: {failures: 1, message: copies=2 (max 1) of client_id=NULL}
    - no_duplicate_events:
        name: bad_duplicates_by_an_expression
        arguments: {keys: ["lower(replaceOne(client_id, 'z', '\\d'))"]}
        config:
          meta:
            failures: 4
            message: copies=4 (max 1) of lower(replaceOne(client_id, 'z', '\d'))=a
    - no_duplicate_events:
        name: bad_duplicates_under_a_limit
        arguments: {keys: ["intDiv(settings, 4)"]}
        config: {limit: 1, meta: {failures: 3}}

# Rejected: 1 of 10 on the first day, 3 of 10 on the second. Not said: 1 of 10 on the third.
- name: judged
  sql: |
    select
        toDate('2025-03-01') + intDiv(number, 10) as batch_date,
        number < 1 or number between 10 and 12 as is_rejected,
        if(number = 20, null, false) as is_flawed
    from numbers(30)
  data_tests:
    - reject_rate_below: {name: good_rate_of_all_rows, arguments: {max_rate: 0.14}}
    - reject_rate_below:
        name: good_rate_of_each_day_just_allowed
        arguments: {max_rate: 0.3, per: batch_date}
    - reject_rate_below:
        name: good_rate_in_another_column
        arguments: {max_rate: 0.04, rejected_column: is_flawed}
    - reject_rate_below:
        name: bad_rate_of_all_rows
        arguments: {max_rate: 0.13}
        config: {meta: {failures: 1, message: "reject_rate=0.133333 (max 0.13): 4 of 30 rows"}}
    - reject_rate_below:
        name: bad_rate_of_one_day
        arguments: {max_rate: 0.1, per: batch_date}
        config:
          store_failures: true
          meta:
            failures: 1
            message: "reject_rate=0.3 (max 0.1): 3 of 10 rows with batch_date=2025-03-02"
    - reject_rate_below:
        name: bad_rate_of_two_days
        arguments: {max_rate: 0, per: batch_date}
        config: {meta: {failures: 2}}
    - reject_rate_below:
        name: bad_rate_of_rows_that_nobody_judged
        arguments: {max_rate: 0, rejected_column: is_flawed, per: batch_date}
        config:
          meta:
            failures: 1
            message: "reject_rate=0.1 (max 0): 1 of 10 rows with batch_date=2025-03-03"

- name: nothing_judged
  sql: select * from {{ ref('judged') }} where false
  data_tests:
    - reject_rate_below:
        name: good_rate_of_no_rows_where_that_is_right
        arguments: {max_rate: 0, allow_empty: true}
    - reject_rate_below:
        name: good_rate_of_no_days_where_that_is_right
        arguments: {max_rate: 0, per: batch_date, allow_empty: true}
    - reject_rate_below:
        name: bad_rate_of_no_rows
        arguments: {max_rate: 1}
        config: {meta: {failures: 1, message: "no rows, so nothing was judged"}}
    - reject_rate_below:
        name: bad_rate_of_no_days
        arguments: {max_rate: 1, per: batch_date}
        config: {meta: {failures: 1, message: "no rows, so nothing was judged"}}

# Without a session: s3 twice, NULL and '' once each.
- name: purchases
  sql: |
    select arrayElement(['s1', 's2', 's2', 's3', 's3', null, ''], number + 1) as session_id
    from numbers(7)
  columns:
    - name: session_id
      data_tests:
        - no_orphans:
            name: good_orphans_none
            arguments: {parent: ref('sessions'), parent_column: session_id}
            config: {where: "session_id in ('s1', 's2')"}
        - no_orphans:
            name: bad_orphans
            arguments: {parent: ref('sessions'), parent_column: session_id}
            config:
              store_failures: true
              meta:
                failures: 4
                message: "orphans=2 (max 0): no sessions.session_id for session_id=s3"
        - no_orphans:
            name: bad_orphans_that_name_no_parent
            arguments: {parent: ref('sessions'), parent_column: session_id}
            config:
              where: ifNull(session_id, '') = ''
              meta:
                failures: 2
                message: "orphans=1 (max 0): no sessions.session_id for session_id=NULL"
        - no_orphans:
            name: bad_orphans_all_without_parents
            arguments: {parent: ref('no_sessions'), parent_column: session_id}
            config: {meta: {failures: 7}}

- name: no_purchases
  sql: select * from {{ ref('purchases') }} where false
  columns:
    - name: session_id
      data_tests:
        - no_orphans:
            name: good_orphans_of_no_rows_where_that_is_right
            arguments: {parent: ref('no_sessions'), parent_column: session_id, allow_empty: true}
        - no_orphans:
            name: bad_orphans_of_no_rows
            arguments: {parent: ref('sessions'), parent_column: session_id}
            config: {meta: {failures: 1, message: "no rows, so nothing shows that parents are"}}

- name: sessions
  sql: |
    select toLowCardinality(arrayElement(['s1', 's2', 's9', null, ''], number + 1)) as session_id
    from numbers(5)
- name: no_sessions
  sql: select * from {{ ref('sessions') }} where false

# Five rows of the first day, with money; four of the second, without; one of no day, without.
- name: landed
  sql: |
    select
        if(number = 9, null, toDate('2025-03-01') + intDiv(number, 5)) as batch_date,
        if(number < 5, toDecimal64('1.5', 4), null) as revenue,
        toDecimal64('10', 4) as expected,
        toDateTime('2025-03-01 00:00:00', 'UTC') + number as event_at,
        number % 5 = 0 as is_rejected
    from numbers(10)
  data_tests:
    - reconciles_with: {name: good_match_of_rows, arguments: {relation: ref('landed_again')}}
    - reconciles_with:
        name: good_match_of_rows_each_day_and_of_no_day
        arguments: {relation: ref('landed_again'), group_by: [batch_date]}
    - reconciles_with:
        name: good_match_of_money
        arguments: {relation: ref('landed_again'), measure: sum(revenue)}
    - reconciles_with:
        name: good_match_of_money_each_day_and_kind
        arguments:
          relation: ref('landed_again')
          measure: sum(ifNull(revenue, 0))
          group_by: [batch_date, is_rejected]
    - reconciles_with:
        name: good_match_of_times
        arguments: {relation: ref('landed_again'), measure: max(event_at)}
    - reconciles_with:
        name: good_match_of_a_column_named_like_a_result
        arguments: {relation: ref('landed_again'), measure: sum(expected)}
    - reconciles_with:
        name: bad_match_of_days_that_only_the_other_has
        arguments: {relation: ref('landed_again'), group_by: [batch_date]}
        config:
          where: batch_date = '2025-03-02'
          meta:
            failures: 2
            message: "no rows here: count(*)=NULL, in landed_again 5, for batch_date=2025-03-01"
    - reconciles_with:
        name: bad_match_of_null
        arguments: {relation: ref('landed_again'), measure: sum(revenue), group_by: [batch_date]}
        config:
          meta:
            failures: 2
            message: "not equal: sum(revenue)=NULL, in landed_again NULL, for batch_date=2025-03-02"
    - reconciles_with:
        name: bad_match_of_null_within_a_tolerance
        arguments:
          relation: ref('landed_again')
          measure: sum(revenue)
          group_by: [batch_date]
          tolerance: 0.5
        config: {meta: {failures: 2, message: difference=NULL (max 0.5)}}
    - reconciles_with:
        name: bad_match_with_no_rows
        arguments: {relation: ref('nothing_landed'), measure: sum(expected), allow_empty: true}
        config:
          meta:
            failures: 1
            message: "no rows in nothing_landed: sum(expected)=100, in nothing_landed NULL"
    - conserved:
        name: good_parts_of_rows
        arguments: {parts: [ref('clean'), ref('rejects')]}
    - conserved:
        name: good_parts_of_rows_each_day_and_of_no_day
        arguments: {parts: [ref('clean'), ref('rejects')], group_by: [batch_date]}
    - conserved:
        name: good_parts_of_money_though_a_day_has_none
        arguments:
          {parts: [ref('clean'), ref('rejects')], measure: sum(revenue), group_by: [batch_date]}
    - conserved:
        name: good_parts_of_a_column_named_like_a_result
        arguments: {parts: [ref('clean'), ref('rejects')], measure: sum(expected)}
    - conserved:
        name: bad_parts_lack_a_row
        arguments: {parts: [ref('clean_less_one'), ref('rejects')]}
        config:
          meta:
            failures: 1
            message: "difference=1 (max 0): count(*)=10, in clean_less_one + rejects 9"
    - conserved:
        name: bad_parts_lack_money
        arguments:
          parts: [ref('clean_less_one'), ref('rejects')]
          measure: sum(revenue)
          group_by: [batch_date]
        config:
          store_failures: true
          meta:
            failures: 1
            message: >-
              difference=1.5 (max 0): sum(revenue)=7.5, in clean_less_one + rejects 6, for
              batch_date=2025-03-01
    - conserved:
        name: bad_parts_have_a_row_on_another_day
        arguments: {parts: [ref('clean_moved_a_day'), ref('rejects')], group_by: [batch_date]}
        config:
          meta:
            failures: 2
            message: >-
              difference=1 (max 0): count(*)=5, in clean_moved_a_day + rejects 4, for
              batch_date=2025-03-01
    - conserved:
        name: bad_parts_lack_a_day
        arguments: {parts: [ref('second_day')], measure: sum(revenue), group_by: [batch_date]}
        config:
          meta:
            failures: 2
            message: >-
              no rows in any part: sum(revenue)=7.5, in second_day 0, for batch_date=2025-03-01
    - conserved:
        name: bad_parts_lack_rows_without_value
        arguments: {parts: [ref('nothing_landed')], measure: sum(revenue)}
        config:
          where: revenue is null
          meta:
            failures: 1
            message: "no rows in any part: sum(revenue)=0, in nothing_landed 0"

- name: landed_again
  sql: select * from {{ ref('landed') }}
- name: second_day
  sql: select * from {{ ref('landed') }} where batch_date = '2025-03-02'
- name: rejects
  sql: select * from {{ ref('landed') }} where is_rejected

- name: nothing_landed
  sql: select * from {{ ref('landed') }} where false
  data_tests:
    - reconciles_with:
        name: good_match_of_no_rows_where_that_is_right
        arguments: {relation: ref('nothing_landed'), allow_empty: true}
    - reconciles_with:
        name: good_match_of_no_days_where_that_is_right
        arguments: {relation: ref('nothing_landed'), group_by: [batch_date], allow_empty: true}
    - reconciles_with:
        name: bad_match_of_no_rows_with_some
        arguments: {relation: ref('landed'), allow_empty: true}
        config: {meta: {failures: 1, message: "no rows here: count(*)=NULL, in landed 10"}}
    - reconciles_with:
        name: bad_match_of_no_rows
        arguments: {relation: ref('nothing_landed')}
        config: {meta: {failures: 1, message: "no rows here and no rows in nothing_landed"}}
    - reconciles_with:
        name: bad_match_of_no_days
        arguments: {relation: ref('nothing_landed'), measure: sum(revenue), group_by: [batch_date]}
        config: {meta: {failures: 1, message: "no rows here and no rows in nothing_landed"}}
    - conserved:
        name: good_parts_of_no_rows_where_that_is_right
        arguments: {parts: [ref('nothing_landed')], allow_empty: true}
    - conserved:
        name: good_parts_of_no_days_where_that_is_right
        arguments: {parts: [ref('nothing_landed')], group_by: [batch_date], allow_empty: true}
    - conserved:
        name: bad_parts_of_no_rows_with_some
        arguments: {parts: [ref('landed')], allow_empty: true}
        config: {meta: {failures: 1, message: "no rows here: count(*)=0, in landed 10"}}
    - conserved:
        name: bad_parts_of_no_rows
        arguments: {parts: [ref('nothing_landed'), ref('nothing_landed')]}
        config:
          meta: {failures: 1, message: no rows here and none in nothing_landed + nothing_landed}
    - conserved:
        name: bad_parts_of_no_days
        arguments: {parts: [ref('nothing_landed')], measure: sum(revenue), group_by: [batch_date]}
        config: {meta: {failures: 1, message: no rows here and none in nothing_landed}}

- name: clean
  sql: select * from {{ ref('landed') }} where not is_rejected
  data_tests:
    - reconciles_with:
        name: good_match_with_some_of_the_other
        arguments: {relation: ref('landed'), relation_where: not is_rejected}
    - conserved:
        name: good_parts_of_money_though_one_is_empty
        arguments: {parts: [ref('clean'), ref('nothing_landed')], measure: sum(revenue)}
    - conserved:
        name: good_parts_with_some_of_their_rows
        arguments: {parts: [ref('landed')], parts_where: not is_rejected}

- name: clean_less_one
  sql: select * from {{ ref('clean') }} order by event_at limit 1, 100
  data_tests:
    - reconciles_with:
        name: bad_match_of_rows
        arguments: {relation: ref('clean')}
        config: {meta: {failures: 1, message: "not equal: count(*)=7, in clean 8"}}
    - reconciles_with:
        name: bad_match_of_rows_on_one_day
        arguments: {relation: ref('clean'), group_by: [batch_date]}
        config:
          store_failures: true
          meta:
            failures: 1
            message: "not equal: count(*)=3, in clean 4, for batch_date=2025-03-01"
    - reconciles_with:
        name: bad_match_of_a_column_named_like_a_result
        arguments: {relation: ref('clean'), measure: sum(expected)}
        config: {meta: {failures: 1, message: "not equal: sum(expected)=70, in clean 80"}}
    - conserved:
        name: bad_parts_have_a_row_too_many
        arguments: {parts: [ref('clean')]}
        config: {meta: {failures: 1, message: "difference=-1 (max 0): count(*)=7, in clean 8"}}

- name: clean_moved_a_day
  sql: |
    select * replace (
        if(event_at = '2025-03-01 00:00:01', toDate('2025-03-02'), batch_date) as batch_date
    )
    from {{ ref('clean') }}

- name: later_days
  sql: select * replace (batch_date + 1 as batch_date) from {{ ref('landed') }}
  data_tests:
    - reconciles_with:
        name: bad_match_of_days_that_the_other_lacks
        arguments: {relation: ref('landed'), group_by: [batch_date]}
        config:
          where: batch_date is null or batch_date = '2025-03-03'
          meta:
            failures: 3
            message: "no rows in landed: count(*)=4, in landed NULL, for batch_date=2025-03-03"

# Sums whose difference is too small for a Float of that size.
- name: large_sum
  sql: select toDecimal128('9007199254740993.0001', 4) as revenue, 200 as amount, 'x' as note
  data_tests:
    - conserved:
        name: bad_parts_lack_a_ten_thousandth
        arguments: {parts: [ref('large_sum_less_a_little'), ref('nothing')], measure: sum(revenue)}
        config:
          meta:
            failures: 1
            message: >-
              difference=0.0001 (max 0): sum(revenue)=9007199254740993.0001, in
              large_sum_less_a_little + nothing 9007199254740993
    - reconciles_with:
        name: bad_match_of_something_with_nothing
        arguments: {relation: ref('nothing'), measure: sum(amount), tolerance: 0.5}
        config: {meta: {failures: 1, message: difference=inf (max 0.5)}}

- name: large_sum_less_a_little
  sql: select toDecimal128('9007199254740993', 4) as revenue, 199 as amount, 'it\'s' as note
  data_tests:
    - reconciles_with:
        name: good_match_just_within_the_tolerance
        arguments: {relation: ref('large_sum'), measure: sum(amount), tolerance: 0.005}
    - reconciles_with:
        name: bad_match_beyond_the_tolerance
        arguments: {relation: ref('large_sum'), measure: sum(amount), tolerance: 0.004}
        config:
          meta:
            failures: 1
            message: "difference=0.005 (max 0.004): sum(amount)=199, in large_sum 200"
    - reconciles_with:
        name: bad_match_by_a_ten_thousandth
        arguments: {relation: ref('large_sum'), measure: sum(revenue)}
        config:
          meta:
            failures: 1
            message: >-
              not equal: sum(revenue)=9007199254740993, in large_sum 9007199254740993.0001
    - reconciles_with:
        name: bad_match_of_a_measure_with_quotes
        arguments: {relation: ref('large_sum'), measure: countIf(note = 'it\'s')}
        config:
          meta: {failures: 1, message: "not equal: countIf(note = 'it\\'s')=1, in large_sum 0"}

- name: nothing
  sql: select toDecimal128('0', 4) as revenue, 0 as amount
  data_tests:
    - reconciles_with:
        name: good_match_of_nothing_with_nothing
        arguments: {relation: ref('nothing'), measure: sum(amount), tolerance: 0.01}

- name: not_a_number
  sql: select nan as revenue
  data_tests:
    - reconciles_with:
        name: bad_match_of_what_is_no_number
        arguments: {relation: ref('not_a_number'), measure: sum(revenue), tolerance: 0.5}
        config: {meta: {failures: 1, message: "sum(revenue)=nan, in not_a_number nan"}}
    - conserved:
        name: bad_parts_of_what_is_no_number
        arguments: {parts: [ref('not_a_number')], measure: sum(revenue)}
        config: {meta: {failures: 1}}
"""

# A call with a wrong argument, and what the error says to write.
WRONG_ARGUMENTS = {
    "test_mandatory_field('m')": "put the test under a column",
    "test_mandatory_field('m', 'c', allowed_rate=5)": "allowed_rate: 0.05",
    "test_mandatory_field('m', 'c', allowed_rate='0.05')": "allowed_rate: 0.05",
    "test_mandatory_field('m', 'c', allowed_rate=true)": "allowed_rate: 0.05",
    "test_mandatory_field('m', 'c', allow_empty='no')": "allow_empty: true or allow_empty: false",
    "test_no_duplicate_events('m')": "keys: [client_id, event_name, event_at]",
    "test_no_duplicate_events('m', keys=[])": "keys: [client_id, event_name, event_at]",
    "test_no_duplicate_events('m', keys='client_id')": "keys: [client_id, event_name, event_at]",
    "test_no_duplicate_events('m', keys=['c'], allow_empty=1)": "allow_empty: true",
    "test_reject_rate_below('m')": "max_rate: 0.05",
    "test_reject_rate_below('m', max_rate=-0.1)": "max_rate: 0.05",
    "test_reject_rate_below('m', max_rate=0, rejected_column=true)": "rejected_column: is_rejected",
    "test_reject_rate_below('m', max_rate=0, per=['batch_date'])": "per: batch_date",
    "test_reject_rate_below('m', max_rate=0, allow_empty='no')": "allow_empty: true",
    "test_no_orphans('m')": "put the test under a column",
    "test_no_orphans('m', 'c', parent='sessions')": "parent: ref('a_model')",
    "test_no_orphans('m', 'c', parent=this)": "parent_column: c",
    "test_no_orphans('m', 'c', parent=this, parent_column='c', allow_empty=0)": "allow_empty: true",
    "test_reconciles_with('m')": "relation: ref('a_model')",
    "test_reconciles_with('m', relation='orders')": "relation: ref('a_model')",
    "test_reconciles_with('m', relation=this, measure=['a'])": "measure: sum(revenue)",
    "test_reconciles_with('m', relation=this, tolerance=5)": "tolerance: 0.01 for one percent",
    "test_reconciles_with('m', relation=this, group_by='day')": "group_by: [batch_date]",
    "test_reconciles_with('m', relation=this, allow_empty='no')": "allow_empty: true",
    "test_conserved('m')": "parts: [ref('a_model'), ref('another_model')]",
    "test_conserved('m', parts=this)": "parts: [ref('a_model'), ref('another_model')]",
    "test_conserved('m', parts=[this, 'rejects'])": "parts: [ref('a_model'), ref('another_model')]",
    "test_conserved('m', parts=[this], measure='')": "measure: sum(revenue)",
    "test_conserved('m', parts=[this], group_by='day')": "group_by: [batch_date]",
    "test_conserved('m', parts=[this], allow_empty='no')": "allow_empty: true",
}


@dataclass(frozen=True)
class Expectation:
    """What an instance of a generic test is to find: no failures when it is a good_ one."""

    name: str
    failures: int
    message: str

    @property
    def is_bad(self) -> bool:
        return self.name.startswith("bad_")


@dataclass(frozen=True)
class Outcome:
    """What an instance of a generic test found."""

    status: str
    failures: int | None
    message: str


def read_expectations(models: list[dict[str, Any]]) -> list[Expectation]:
    """The instances of generic tests on models, as their YAML says."""
    instances = [
        test
        for model in models
        for tested in (model, *model.get("columns", []))
        for entry in tested.get("data_tests", [])
        for test in entry.values()
    ]
    return [
        Expectation(test["name"], meta.get("failures", 0), meta.get("message", ""))
        for test in instances
        for meta in [test.get("config", {}).get("meta", {})]
    ]


EXPECTATIONS = read_expectations(yaml.safe_load(MODELS))


class Project:
    """A dbt project made of inline models, which uses the generic tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "clickhouse"
        outputs = {
            target: {
                "type": "clickhouse",
                "driver": "chdb",
                "schema": "throw_away",
                "threads": 2,
                "check_exchange": False,
                "custom_settings": {"chdb_path": str(self.data), **settings},
            }
            for target, settings in SETTINGS.items()
        }
        self.write("profiles.yml", {"throw_away": {"target": "usual_settings", "outputs": outputs}})
        self.write(
            "dbt_project.yml",
            {
                # The macros call one another by the name of their package.
                "name": "sluicegate",
                "profile": "throw_away",
                "flags": {
                    "send_anonymous_usage_stats": False,
                    "warn_error_options": {"error": ["Deprecations"]},
                },
            },
        )
        shutil.copytree(GENERIC_TESTS, folder / "tests" / "generic")
        (folder / "macros").mkdir()
        for macro in ("testing/get_where_subquery.sql", "batches/newest_batches.sql"):
            shutil.copy(MACROS / macro, folder / "macros")

    def write(self, name: str, content: object) -> None:
        """Write a file of the project: a text as it is, anything else as YAML."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    def write_models(self, models: list[dict[str, Any]]) -> None:
        for model in models:
            self.write(f"models/{model['name']}.sql", model["sql"])
        described = [{key: model[key] for key in model if key != "sql"} for model in models]
        self.write("models/models.yml", {"models": described})

    def dbt(self, *arguments: str, manifest: Any = None) -> Any:
        """Run a dbt command in this process and return what dbtRunner does."""
        folder = str(self.folder)
        return dbtRunner(manifest=manifest).invoke(
            [
                *(*arguments, "--log-level", "none"),
                *("--project-dir", folder, "--profiles-dir", folder),
                *("--target-path", f"{folder}/target", "--log-path", f"{folder}/logs"),
            ]
        )

    def messages(self, queries: dict[str, str], settings: dict[str, int]) -> dict[str, str]:
        """The messages of the failures that queries give, one a line, by the query's name."""
        config = dbt_sluicegate._prepare_folder(self.data)
        client = clickhouse_connect.get_client(
            interface="chdb",
            path=str(self.data),
            chdb_options={"config-file": str(config)},
            settings=settings,
        )
        try:
            return {
                name: "\n".join(
                    row[0] for row in client.query(f"select message from ({query})").result_rows
                )
                for name, query in queries.items()
            }
        finally:
            client.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("generic_tests"))
    made.write_models(yaml.safe_load(MODELS))
    for number, call in enumerate(WRONG_ARGUMENTS):
        made.write(f"tests/wrong_{number}.sql", f"{{% if execute %}}{{{{ {call} }}}}{{% endif %}}")
    return made


@pytest.fixture(scope="module")
def manifest(project: Project) -> Any:
    """The parsed project, its models built: what every command afterwards starts from."""
    parsed = project.dbt("parse")
    assert parsed.success, parsed.exception
    built = project.dbt("run", manifest=parsed.result)
    assert built.success, built.exception
    return parsed.result


@pytest.fixture(scope="module", params=SETTINGS)
def outcomes(request: pytest.FixtureRequest, project: Project, manifest: Any) -> dict[str, Outcome]:
    """What every instance found, by its name."""
    tested = project.dbt(
        *("test", "--select", "test_type:generic", "--target", request.param), manifest=manifest
    )
    assert tested.exception is None
    results = {result.node.name: result for result in tested.result.results}
    queries = {
        name: result.node.compiled_code
        for name, result in results.items()
        if result.status == NodeStatus.Fail
    }
    messages = project.messages(queries, SETTINGS[request.param])
    return {
        name: Outcome(result.status, result.failures, messages.get(name, str(result.message)))
        for name, result in results.items()
    }


@pytest.mark.parametrize(
    "expected", [e for e in EXPECTATIONS if not e.is_bad], ids=lambda e: e.name
)
def test_it_stays_quiet(expected: Expectation, outcomes: dict[str, Outcome]) -> None:
    assert expected.name.startswith("good_")
    assert outcomes[expected.name].status == NodeStatus.Pass, outcomes[expected.name].message


@pytest.mark.parametrize("expected", [e for e in EXPECTATIONS if e.is_bad], ids=lambda e: e.name)
def test_it_fires_and_says_why(expected: Expectation, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[expected.name]
    assert (found.status, found.failures) == (NodeStatus.Fail, expected.failures), found.message
    assert expected.message in found.message


@pytest.fixture(scope="module")
def refusals(project: Project, manifest: Any) -> dict[str, str]:
    """The error of every call with a wrong argument."""
    refused = project.dbt("test", "--select", "test_type:singular", manifest=manifest)
    errors = {result.node.name: str(result.message) for result in refused.result.results}
    return {call: errors[f"wrong_{number}"] for number, call in enumerate(WRONG_ARGUMENTS)}


@pytest.mark.parametrize("call", WRONG_ARGUMENTS)
def test_a_wrong_argument_is_told_what_to_write(call: str, refusals: dict[str, str]) -> None:
    message = " ".join(refusals[call].split())
    assert f"Test {call.partition('(')[0].removeprefix('test_')} on m has " in message
    assert WRONG_ARGUMENTS[call] in message


def test_a_wrong_argument_in_the_yaml_stops_dbt_before_anything_runs(tmp_path: Path) -> None:
    project = Project(tmp_path)
    arguments = {"max_rate": "5%"}
    project.write_models(
        [
            {
                "name": "judged",
                "sql": "select false as is_rejected",
                "data_tests": [{"reject_rate_below": {"arguments": arguments}}],
            }
        ]
    )
    parsed = project.dbt("parse")
    assert not parsed.success
    assert "has the max_rate 5%: write a share of the rows from 0 to 1" in str(parsed.exception)
