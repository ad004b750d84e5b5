"""Where each kind of file that real people send has its test: by number, file and function."""

import ast
import functools
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# 1 turned, 2 mirrored, 3 variable rate, 4 stamps against header, 5 rational rates, 6 high rates, 7 HDR, 8 Dolby
# Vision, 9 colours unnamed, 10 no sound, 11 sound alone, 12 unknown sound, 13 channels, 14 two pictures, 15 odd size,
# 16 wide pixels, 17 interlaced, 18 landscape to 9:16, 19 moov behind or cut, 20 header says more, 21 offsets and
# edits, 22 empty or misnamed, 23 silence, 24 clipped, 25 black or frozen head, 26 HEIC turned twice, 27 huge still,
# 28 place and device, 29 same again, 30 over a limit, 31 success without packets, 32 playlists in disguise,
# 33 bombs, 34 pages in disguise.
TESTS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"render_video": ("preview_of_turned_phone_video_is_upright",)},
    2: {"render_video": ("preview_of_turned_phone_video_is_upright",)},
    3: {
        "odd_inputs_video": ("line_3_variable_rate_becomes_constant_for_television",),
        "render_video": ("variable_rate_becomes_constant_at_the_average",),
    },
    4: {"odd_inputs_video": ("line_4_constant_header_and_variable_stamps_trusts_the_stamps",)},
    5: {
        "odd_inputs_video": ("line_5_rational_rates_give_true_segment_lengths",),
        "hls_rules": ("ten_minutes_drift_by_less_than_a_frame",),
    },
    6: {"odd_inputs_video": ("line_6_high_rates_come_down_to_the_cap",)},
    7: {
        "odd_inputs_video": ("line_7_hdr_is_tone_mapped_and_tagged",),
        "covers": ("cover_of_a_large_film_has_1920_pixels_and_standard_range",),
        "scan": ("frames_of_hdr_are_toned",),
    },
    8: {"odd_inputs_video": ("line_8_dolby_vision_alone_is_refused_with_the_reason",)},
    9: {
        "odd_inputs_video": ("line_9_missing_colours_are_assumed_by_size",),
        "findings": ("fact_that_a_reviewer_should_know_is_one_finding",),
    },
    10: {"odd_inputs_video": ("line_10_no_sound_gives_a_stream_without_and_silent_tracks_for_television",)},
    11: {
        "odd_inputs_video": ("line_11_song_with_a_cover_goes_the_way_of_sound",),
        "probe": ("probe_song_with_cover_art_is_audio",),
    },
    12: {
        "odd_inputs_video": ("line_12_unknown_sound_beside_aac_leaves_the_one_that_can_be_decoded",),
        "scan": ("unknown_sound_beside_a_known_one_is_a_warning",),
    },
    13: {
        "loudness": ("downmix_is_stated_and_keeps_both_sides",),
        "findings": ("fact_that_a_reviewer_should_know_is_one_finding",),
    },
    14: {
        "odd_inputs_video": (
            "line_14_of_two_pictures_the_default_one_is_taken",
            "line_14_default_picture_without_packets_leaves_the_other",
        )
    },
    15: {"render_video": ("odd_size_becomes_even_and_no_larger",)},
    16: {"odd_inputs_video": ("line_16_wide_pixels_become_square",)},
    17: {
        "odd_inputs_video": (
            "line_17_television_keeps_both_fields_upper_first",
            "line_17_fields_of_another_rate_are_woven_anew",
        ),
        "render_video": ("interlaced_becomes_progressive",),
    },
    18: {
        "render_video": ("vertical_pads_landscape_with_blur_and_a_circle_stays_one",),
        "odd_inputs_video": (
            "line_18_crop_of_the_editor_fills_the_canvas",
            "line_18_crop_outside_the_picture_is_refused",
        ),
    },
    19: {"odd_inputs_video": ("line_19_index_behind_is_put_in_front_and_a_cut_file_refused",)},
    20: {"odd_inputs_video": ("line_20_body_shorter_than_its_header_counts_as_decoded",)},
    21: {"odd_inputs_video": ("line_21_offset_and_edit_list_start_together",)},
    22: {"guard": ("odd_22_empty_file_and_wrong_extension_are_refused",)},
    23: {
        "loudness": ("silence_and_brief_sound_are_left_alone_with_a_finding",),
        "scan": ("silent_or_short_sound_has_no_loudness",),
    },
    24: {"scan": ("flat_tops_are_found_in_any_coding",)},
    25: {
        "covers": ("cover_is_never_a_bad_picture_where_most_are_bad", "poster_is_not_from_a_frozen_stretch"),
        "render_video": ("poster_is_not_the_black_head",),
    },
    26: {"guard": ("odd_26_heic_with_irot_and_exif_orientation_is_turned_once",)},
    27: {"guard": ("odd_27_still_of_200_megapixels_is_refused_by_its_header",)},
    28: {
        "render_video": ("rendition_carries_nothing_of_its_maker",),
        "planner": ("conforming_source_is_taken_over_without_its_metadata",),
        "profiles_rows": ("print_still_keeps_iptc_and_loses_its_place",),
    },
    29: {
        "essence": ("film_in_another_container_has_the_same_essence",),
        "perceptual": ("reencoded_film_is_likely_the_same_and_another_is_not",),
    },
    30: {
        "profiles_rows": (
            "video_for_wechat_is_inside_its_budget_by_design",
            "source_over_a_limit_of_time_is_refused_before_any_work",
            "video_that_fits_no_budget_is_refused_in_words",
        ),
        "render_limits": ("five_minutes_for_wechat_are_under_ten_megabytes",),
    },
    31: {
        "odd_inputs_video": ("line_31_success_without_packets_is_a_failure",),
        "malformed": ("odd_31_run_that_ends_well_and_holds_no_packet_is_a_failure",),
    },
    32: {
        "malformed": (
            "odd_32_list_dressed_as_a_film_opens_nothing_and_calls_nobody",
            "odd_32_reference_movie_opens_nothing_and_calls_nobody",
            "odd_32_film_whose_data_lies_in_another_file_opens_nothing",
        ),
    },
    33: {
        "guard": ("odd_33_png_of_30000_square_under_2_mb_is_refused_by_its_header",),
        "packages": (
            "odd_33_unsafe_entry_is_refused_by_name_and_nothing_is_written",
            "odd_33_bomb_is_refused_before_it_unpacks",
        ),
    },
    34: {
        "sniff": (
            "odd_34_what_follows_a_picture_is_named_and_never_more_than_a_picture",
            "odd_34_page_that_begins_like_a_gif_is_refused_or_named",
            "odd_34_page_or_svg_dressed_as_a_picture_is_refused",
        ),
    },
}


def test_every_line_has_a_place():
    assert list(TESTS) == list(range(1, 35))


@pytest.mark.parametrize("line", TESTS)
def test_tests_of_a_line_exist_and_assert(line):
    for name, wanted in TESTS[line].items():
        functions = functions_of(HERE / f"test_{name}.py")
        for test in wanted:
            body = functions[f"test_{test}"]
            assert "assert" in body or "raises" in body


@functools.cache
def functions_of(path: Path) -> dict[str, str]:
    """The functions of a file with what they do."""
    tree = ast.parse(path.read_text("utf-8"))
    found = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name: ast.unparse(each) for each in found}
