/* SPDX-License-Identifier: MIT */
/* Errors of libsegfs as exceptions, and how names are opened. Part of segfs.hpp. */
#ifndef SEGFS_ERROR_HPP
#define SEGFS_ERROR_HPP

#include <segfs.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace segfs
{

/* code().value() is the errno, positive. what() is the sentence of segfs_explain(). */
class error : public std::system_error
{
      public:
	/* number: a negative errno */
	error(const std::string &name, int number)
	    : std::system_error(-number, std::generic_category(), name), text_(explain(name, number))
	{
	}
	const char *what() const noexcept override
	{
		return text_.what();
	}

      private:
	static std::string explain(const std::string &name, int number)
	{
		char text[1024];

		return segfs_explain(name.c_str(), number, text, sizeof(text));
	}
	std::runtime_error text_; /* whose copies throw nothing */
};

/* EOWNERDEAD: a thread died while it held the lock. */
class abandoned_error : public error
{
      public:
	explicit abandoned_error(const std::string &name) : error(name, -EOWNERDEAD)
	{
	}
};

namespace detail
{

inline int check(const std::string &name, int result)
{
	if (result < 0)
		throw error(name, result);
	return result;
}

/* Whether a wait has ended by what it waited for. */
inline bool has_come(const std::string &name, int result)
{
	return result != -EAGAIN && result != -ETIMEDOUT && check(name, result) >= 0;
}

} /* namespace detail */

/* How a constructor finds what it names. */
enum class opening {
	open,           /* it exists; else ENOENT */
	create,         /* it does not; else EEXIST */
	open_or_create, /* either */
};

} /* namespace segfs */

#endif
