# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For scripts that get packages of another release of Debian than the machine's: an apt of its own, whose lists and cache
# are apart from the machine's. Settings of the machine's apt, such as a proxy, still count.

# The URI of the mirror from which this machine gets Debian; "" if its apt has no lists yet.
mirror_uri() {
	local codename
	# shellcheck disable=SC1091
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}") || true
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
		"Codename: $codename" 2>/dev/null | head -n 1
}

# Sets apt_options, with which apt-get and apt-cache use the lists in DIRECTORY. $1: DIRECTORY, absolute, made anew;
# $2: mirror; $3: deb or deb-src; then the suites.
apt_apart() {
	local apt=$1 uri=$2 type=$3 suite
	shift 3
	rm -rf "$apt"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
	for suite; do
		echo "$type [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main"
	done >"$apt/sources.list"
	# shellcheck disable=SC2034 # for the caller
	apt_options=(-q
		-o "Dir::State::Lists=$apt/lists/" -o "Dir::Cache=$apt/cache/"
		-o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::Etc::SourceParts=$apt/parts/"
		-o APT::Sandbox::User=root -o Acquire::Languages=none
		-o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false)
}
