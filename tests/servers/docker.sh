# A server in a container: where there is an engine, and the image is here or can be pulled.
# shellcheck shell=bash disable=SC2154

has_image() {
    [ "${ACCRUE_TEST_DOCKER:-yes}" != no ] && command -v docker >/dev/null || return 1
    limited 20 docker info >/dev/null 2>&1 || return 1
    docker image inspect "$image" >/dev/null 2>&1 && return
    [ "${ACCRUE_TEST_INSTALL:-yes}" != no ] && limited 600 docker pull -q "$image" >/dev/null 2>&1
}

start_image() {
    local id options arguments
    if [ -f "$dir/url" ]; then
        id=$(<"$dir/container")
        docker start "$id" >/dev/null
    else
        mapfile -t options < <(image_options)
        mapfile -t arguments < <(image_arguments)
        id=$(docker run -d -p "127.0.0.1:$port:$image_port" "${options[@]}" "$image" "${arguments[@]}") || return 1
        echo "$id" >"$dir/container"
        echo "in Docker, image $image" >"$dir/origin"
    fi
    wait_for image_answers "$id"
}
